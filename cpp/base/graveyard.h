// Freeing objects that hold others of their kind, in chains of any length, without recursion: an object that
// dies puts itself on its thread's list, and whoever is first works through the list.
#pragma once

#include <vector>

namespace unspool {

template <class T>
class Graveyard {
 public:
  // Calls end(object) now, or, where that happens inside of another such call, after it.
  template <class End>
  static void bury(T* object, End&& end) noexcept {
    // Leaked on purpose, one per thread: objects may die after thread-local destructors have run.
    if (!own) own = new Graveyard;
    if (own->is_draining_) return own->waiting_.push_back(object);
    own->is_draining_ = true;
    end(object);
    while (!own->waiting_.empty()) {
      T* const next = own->waiting_.back();
      own->waiting_.pop_back();
      end(next);
    }
    own->is_draining_ = false;
  }

 private:
  std::vector<T*> waiting_;
  bool is_draining_ = false;
  [[gnu::tls_model("initial-exec")]] static inline constinit thread_local Graveyard* own = nullptr;
};

}  // namespace unspool
