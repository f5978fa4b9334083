# unspool_floor(<name> [<floor below>...]): one floor of the library as the target unspool_<name>.
# It compiles every .cc of the calling directory with the machine's baseline instruction set, so that the extension
# starts on any machine of the architecture. A floor without a .cc is a target that only passes its links on.
function(unspool_floor name)
  set(target unspool_${name})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  list(TRANSFORM ARGN PREPEND unspool_ OUTPUT_VARIABLE floors_below)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/cpp")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ${UNSPOOL_UNITY} UNITY_BUILD_BATCH_SIZE 10)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O2> -fno-math-errno -ffp-contract=off)
    target_link_libraries(${target} PRIVATE unspool_flags PUBLIC ${floors_below} Threads::Threads)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/cpp")
    target_link_libraries(${target} INTERFACE ${floors_below})
  endif()
endfunction()
