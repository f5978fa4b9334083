"""Trees of containers: their leaves, and the structure that puts leaves together again.

Tuples, named tuples, lists, dicts (also ordered ones and those with defaults), deques, and classes that were
registered are nodes; everything else, None too, is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from unspool.utils._tree_keys import (
    FlattenWithKeys,
    GetAttrKey,
    Keyed,
    KeyEntry,
    KeyPath,
    MappingKey,
    SequenceKey,
    _dict_flatten,
    _dict_flatten_with_keys,
    _dict_unflatten,
    _namedtuple_flatten,
    _namedtuple_unflatten,
    fields_with_keys,
    key_get,
    keystr,
    sequence_with_keys,
)

__all__ = [
    "SUPPORTED_NODES",
    "Context",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "LeafSpec",
    "MappingKey",
    "NodeDef",
    "PyTree",
    "SequenceKey",
    "TreeSpec",
    "_dict_flatten",
    "_dict_flatten_with_keys",
    "_dict_unflatten",
    "_get_node_type",
    "_namedtuple_flatten",
    "_namedtuple_unflatten",
    "key_get",
    "keystr",
    "register_pytree_node",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
]

PyTree: TypeAlias = Any
Context: TypeAlias = Any
IsLeaf: TypeAlias = Callable[[PyTree], bool] | None


class NodeDef(NamedTuple):
    """How a class of nodes is taken apart, (children, context), and put together."""

    flatten_fn: Callable[[Any], tuple[list[Any], Any]]
    unflatten_fn: Callable[[Iterable[Any], Any], Any]


class _NamedTuple:
    """Stands for all classes made by ``namedtuple``."""


SUPPORTED_NODES: dict[type[Any], NodeDef] = {
    tuple: NodeDef(lambda node: (list(node), None), lambda children, _: tuple(children)),
    list: NodeDef(lambda node: (node, None), lambda children, _: list(children)),
    dict: NodeDef(_dict_flatten, _dict_unflatten),
    OrderedDict: NodeDef(
        _dict_flatten,
        lambda children, keys: OrderedDict(zip(keys, children, strict=True)),
    ),
    defaultdict: NodeDef(
        lambda node: (list(node.values()), [node.default_factory, list(node)]),
        lambda children, context: defaultdict(context[0], zip(context[1], children, strict=True)),
    ),
    deque: NodeDef(lambda node: (list(node), node.maxlen), lambda children, maxlen: deque(children, maxlen)),
    _NamedTuple: NodeDef(_namedtuple_flatten, _namedtuple_unflatten),
}

# The same with the children's keys, by class.
_WITH_KEYS: dict[type[Any], FlattenWithKeys] = {
    tuple: sequence_with_keys,
    list: sequence_with_keys,
    dict: _dict_flatten_with_keys,
    OrderedDict: _dict_flatten_with_keys,
    defaultdict: lambda node: (_dict_flatten_with_keys(node)[0], [node.default_factory, list(node)]),
    deque: lambda node: sequence_with_keys(node, node.maxlen),
    _NamedTuple: fields_with_keys,
}


def _get_node_type(tree: Any) -> type[Any]:
    kind = type(tree)
    if isinstance(tree, tuple) and kind not in SUPPORTED_NODES and hasattr(kind, "_fields"):
        return _NamedTuple
    return kind


def register_pytree_node(
    cls: type[Any],
    flatten_fn: Callable[[Any], tuple[list[Any], Any]],
    unflatten_fn: Callable[[Iterable[Any], Any], Any],
    *,
    flatten_with_keys_fn: FlattenWithKeys | None = None,
    **_names: Any,
) -> None:
    """Make a class a node.

    Args:
        cls: the class.
        flatten_fn: gives an object's children and what else is needed to rebuild it.
        unflatten_fn: rebuilds it from both.
        flatten_with_keys_fn: as flatten_fn, with pairs of a key and a child, for the functions with paths.

    Raises:
        ValueError: it is one already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"register_pytree_node: {cls.__name__} is registered already")
    SUPPORTED_NODES[cls] = NodeDef(flatten_fn, unflatten_fn)
    if flatten_with_keys_fn is not None:
        _WITH_KEYS[cls] = flatten_with_keys_fn


@dataclass(frozen=True)
class TreeSpec:
    """The structure of a tree: the class of the node (None for a leaf), its context, and its children."""

    type: Any
    context: Any
    children_specs: tuple[TreeSpec, ...]

    @property
    def num_leaves(self) -> int:
        """How many leaves it has."""
        return 1 if self.type is None else sum(each.num_leaves for each in self.children_specs)

    @property
    def num_children(self) -> int:
        """How many children the node has."""
        return len(self.children_specs)

    def is_leaf(self) -> bool:
        """Whether the tree is a leaf."""
        return self.type is None

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """Put a tree of this structure together."""
        return tree_unflatten(leaves, self)


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    def __init__(self) -> None:
        super().__init__(None, None, ())


def tree_flatten(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """Give the leaves, from left to right, and the structure.

    Args:
        tree: any object.
        is_leaf: asked for each node; where it says True, the node is a leaf.
    """
    leaves: list[Any] = []

    def visit(node: PyTree) -> TreeSpec:
        kind = _get_node_type(node)
        if kind not in SUPPORTED_NODES or (is_leaf is not None and is_leaf(node)):
            leaves.append(node)
            return LeafSpec()
        children, context = SUPPORTED_NODES[kind].flatten_fn(node)
        return TreeSpec(kind, context, tuple(visit(child) for child in children))

    return leaves, visit(tree)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """Put a tree together.

    Args:
        leaves: as many as the structure has.
        treespec: the structure.

    Raises:
        ValueError: the number of leaves is another one.
    """
    given = list(leaves)
    if len(given) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: expected {treespec.num_leaves} leaves, got {len(given)}")
    rest = iter(given)

    def build(spec: TreeSpec) -> PyTree:
        if spec.type is None:
            return next(rest)
        return SUPPORTED_NODES[spec.type].unflatten_fn(
            [build(child) for child in spec.children_specs], spec.context
        )

    return build(treespec)


def tree_iter(tree: PyTree, is_leaf: IsLeaf = None) -> Iterable[Any]:
    """Go through the leaves."""
    return iter(tree_flatten(tree, is_leaf)[0])


def tree_leaves(tree: PyTree, is_leaf: IsLeaf = None) -> list[Any]:
    """Give the leaves."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: IsLeaf = None) -> TreeSpec:
    """Give the structure."""
    return tree_flatten(tree, is_leaf)[1]


def _leaves_like(tree: PyTree, spec: TreeSpec) -> list[Any]:
    """Give the nodes of a tree that stand where the structure has leaves."""
    if spec.type is None:
        return [tree]
    if _get_node_type(tree) is not spec.type:
        raise ValueError(f"tree_map: expected {spec.type.__name__}, got {type(tree).__name__}")
    children = SUPPORTED_NODES[spec.type].flatten_fn(tree)[0]
    if len(children) != spec.num_children:
        raise ValueError(f"tree_map: expected {spec.num_children} children, got {len(children)}")
    if spec.type in (dict, OrderedDict):
        children = [tree[key] for key in spec.context]
    return [
        leaf
        for child, each in zip(children, spec.children_specs, strict=True)
        for leaf in _leaves_like(child, each)
    ]


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """Give the tree of what a function makes of each leaf.

    Args:
        func: called with a leaf of each tree.
        tree: it gives the structure.
        rests: further trees that have at least that structure.
        is_leaf: as for ``tree_flatten``.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves, *(_leaves_like(each, spec) for each in rests)]
    return tree_unflatten(map(func, *columns), spec)


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """Call a function with each leaf, and give the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(
    type_or_types_or_pred: Any, func: Callable[[Any], Any], tree: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Give the tree of what a function makes of certain leaves; the others stay.

    Args:
        type_or_types_or_pred: a class, classes, or a function that says which leaves.
        func: called with such a leaf.
        tree: any object.
        is_leaf: as for ``tree_flatten``.
    """
    chosen = type_or_types_or_pred
    if isinstance(chosen, type | tuple):
        return tree_map(lambda leaf: func(leaf) if isinstance(leaf, chosen) else leaf, tree, is_leaf=is_leaf)
    return tree_map(lambda leaf: func(leaf) if chosen(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether it holds for all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether it holds for some leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_flatten_with_path(
    tree: PyTree, is_leaf: IsLeaf = None
) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """Give each leaf with the keys that lead to it, and the structure.

    Args:
        tree: any object.
        is_leaf: as for ``tree_flatten``.

    Raises:
        ValueError: a class was registered without ``flatten_with_keys_fn``.
    """
    leaves: list[tuple[KeyPath, Any]] = []

    def visit(path: KeyPath, node: PyTree) -> None:
        kind = _get_node_type(node)
        if kind not in SUPPORTED_NODES or (is_leaf is not None and is_leaf(node)):
            leaves.append((path, node))
            return
        for key, child in _children_with_keys(kind, node)[0]:
            visit((*path, key), child)

    visit((), tree)
    return leaves, tree_structure(tree, is_leaf)


def _children_with_keys(kind: type[Any], node: Any) -> Keyed:
    if kind not in _WITH_KEYS:
        raise ValueError(
            f"tree_flatten_with_path: no flatten_with_keys_fn was registered for {kind.__name__}"
        )
    return _WITH_KEYS[kind](node)


def tree_leaves_with_path(tree: PyTree, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Give each leaf with the keys that lead to it."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """As ``tree_map``, with a function that is given the leaf's path first."""
    leaves, spec = tree_flatten_with_path(tree, is_leaf)
    columns = [list(column) for column in zip(*leaves, strict=True)] or [[], []]
    columns += [_leaves_like(each, spec) for each in rests]
    return tree_unflatten(map(func, *columns), spec)
