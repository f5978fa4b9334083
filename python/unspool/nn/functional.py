"""``unspool.nn.functional``: the functions behind the modules, without state.

Every operation that the core declares for this namespace appears here by itself. The Python functions
imported below take precedence: they add what is not an operation (in-place forms, deprecated arguments,
compositions). Modules look functions up here at every call, so that replacing one here is seen by them.
"""

from __future__ import annotations

from typing import Any

from unspool import _core
from unspool._tensor.asked_functions import offer as _offer
from unspool.nn._functional.activation import (
    celu,
    celu_,
    elu,
    elu_,
    gumbel_softmax,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    log_softmax,
    mish,
    relu,
    relu6,
    relu_,
    rrelu,
    rrelu_,
    selu,
    selu_,
    silu,
    softmax,
    softmin,
    threshold,
    threshold_,
)
from unspool.nn._functional.attention import multi_head_attention_forward
from unspool.nn._functional.ctc import ctc_loss
from unspool.nn._functional.distance import normalize, pairwise_distance, pdist
from unspool.nn._functional.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from unspool.nn._functional.embedding import embedding, embedding_bag, one_hot
from unspool.nn._functional.linear import bilinear
from unspool.nn._functional.linear_loss import linear_cross_entropy
from unspool.nn._functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll_loss,
    hinge_embedding_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
)
from unspool.nn._functional.loss_composed import (
    cosine_embedding_loss,
    multilabel_soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from unspool.nn._functional.normalization import local_response_norm
from unspool.nn._functional.pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from unspool.nn._functional.vision import (
    affine_grid,
    grid_sample,
    interpolate,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)

adaptive_avg_pool1d = _core.functional.adaptive_avg_pool1d
avg_pool1d = _core.functional.avg_pool1d
batch_norm = _core.functional.batch_norm
avg_pool2d = _core.functional.avg_pool2d
avg_pool3d = _core.functional.avg_pool3d
lp_pool1d = _core.functional.lp_pool1d
lp_pool2d = _core.functional.lp_pool2d
lp_pool3d = _core.functional.lp_pool3d
cosine_similarity = _core.functional.cosine_similarity
gelu = _core.functional.gelu
glu = _core.functional.glu
group_norm = _core.functional.group_norm
hardshrink = _core.functional.hardshrink
huber_loss = _core.functional.huber_loss
instance_norm = _core.functional.instance_norm
layer_norm = _core.functional.layer_norm
linear = _core.functional.linear
channel_shuffle = _core.functional.channel_shuffle
pixel_shuffle = _core.functional.pixel_shuffle
pixel_unshuffle = _core.functional.pixel_unshuffle
pad = _core.functional.pad
logsigmoid = _core.functional.logsigmoid
prelu = _core.functional.prelu
rms_norm = _core.functional.rms_norm
softplus = _core.functional.softplus
softshrink = _core.functional.softshrink
softsign = _core.functional.softsign
tanhshrink = _core.functional.tanhshrink
sigmoid = _core.functional.sigmoid
tanh = _core.ops.tanh

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

_composed = set(__all__)
for _name in dir(_core.functional):
    if _name.startswith("__"):
        continue
    _operation: Any = getattr(_core.functional, _name)
    if _name in globals():
        # Classes with __torch_function__ are asked about the function, which calls the operation of its name
        # and gives what that gives: all but these, which give the first of two results.
        if not _name.startswith("fractional_max_pool"):
            _operation._set_outer(globals()[_name])
            _composed.discard(_name)
    else:
        globals()[_name] = _operation
        if not _name.startswith("_"):
            __all__ += [_name]
_offer(globals(), _composed)
del _name, _operation, _composed


def __getattr__(name: str) -> Any:
    if name in ("handle_torch_function", "has_torch_function"):
        from unspool import overrides

        return getattr(overrides, name)
    raise AttributeError(f"unspool.nn.functional has no function '{name}'")
