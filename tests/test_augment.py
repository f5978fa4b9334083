"""unspool.augment: what each transform does, one warp for many, masks and key points, seeds, bad calls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import augment as A
from unspool.augment import functional as AF
from unspool.train import Prefetcher

GEOMETRIC = [
    A.Shift(2),
    A.Shift((0, 3), 1, whole=True),
    A.Rotate(30),
    A.Flip(),
    A.Flip(vertical=True, p=0.3),
    A.Crop((9, 7), padding=1),
    A.Scale(0.7, 1.4),
    A.Shear(20, 10),
    A.ElasticDistort(1.0, 5.0),
    A.Rotate(30, p=0.5),
    A.ElasticDistort(1.0, 5.0, p=0.5),
]
OTHERS = [A.Noise(2.0), A.Noise(2.0, p=0.5), A.Cutout(3), A.Cutout((2, 5), count=2, fill=1.0, p=0.5)]


def names(transforms: list[A.Transform]) -> list[str]:
    return [f"{i}-{type(t).__name__}" for i, t in enumerate(transforms)]


every = pytest.mark.parametrize("transform", GEOMETRIC + OTHERS, ids=names(GEOMETRIC + OTHERS))
geometric = pytest.mark.parametrize("transform", GEOMETRIC, ids=names(GEOMETRIC))


def smooth_images(n: int = 12, size: int = 24) -> us.Tensor:
    """Blobs at places of their own: interpolation changes them little."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    centers = rng.uniform(size / 3, 2 * size / 3, (n, 2, 2))
    blobs = [np.stack([np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18) for cx, cy in each]) for each in centers]
    return us.from_numpy(np.stack(blobs).astype(np.float32))


def seeded(transform: A.Transform, *arguments: Any, seed: int = 0, **options: Any) -> Any:
    return transform(*arguments, generator=us.Generator().manual_seed(seed), **options)


# One at a time ----------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "float16"])
def test_shape_and_dtype_stay_and_the_seed_decides(transform: A.Transform, dtype: str) -> None:
    images = (smooth_images() * 200).to(getattr(us, dtype))
    kept = images.clone()
    first = seeded(transform, images)
    size = (9, 7) if isinstance(transform, A.Crop) else (24, 24)
    assert (tuple(first.shape), first.dtype) == ((12, 2, *size), images.dtype)
    assert us.equal(first, seeded(transform, images))
    assert not us.equal(first, seeded(transform, images, seed=1))
    assert us.equal(images, kept)


@every
def test_the_default_generator_is_used_otherwise(transform: A.Transform) -> None:
    images = smooth_images()
    us.manual_seed(5)
    first = transform(images)
    us.manual_seed(5)
    assert us.equal(first, transform(images))


@every
def test_images_get_numbers_of_their_own_and_one_image_needs_no_batch(transform: A.Transform) -> None:
    image = smooth_images(1)[0]
    same = us.stack([image] * 16)
    changed = seeded(transform, same)
    assert len({tuple(each.flatten().tolist()) for each in changed}) > 1
    assert us.equal(seeded(transform, image), seeded(transform, image[None])[0])


@pytest.mark.parametrize("transform", [A.Rotate(40, p=0.0), A.Noise(1.0, p=0.0), A.Cutout(4, p=0.0)])
def test_probability_zero_changes_nothing(transform: A.Transform) -> None:
    assert us.equal(transform(smooth_images()), smooth_images())


def test_probability_is_the_share_of_changed_images() -> None:
    images = us.arange(16.0).reshape(1, 1, 4, 4).expand(4000, 1, 4, 4)
    flipped = seeded(A.Flip(p=0.3), images)
    share = (flipped != images).any(3).any(2).any(1).double().mean().item()
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 4000)
    assert us.equal(seeded(A.Flip(p=1.0), images), images.flip(3))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_moves_by_whole_pixels_are_exact(dtype: str) -> None:
    rng = np.random.default_rng(1)
    array = rng.integers(0, 255, (2, 3, 5, 6)).astype(dtype)
    images = us.from_numpy(array)
    np.testing.assert_array_equal(AF.flip(images).numpy(), array[..., ::-1])
    np.testing.assert_array_equal(AF.flip(images, False, True).numpy(), array[..., ::-1, :])
    mixed = AF.flip(images, us.tensor([True, False]), us.tensor([True, True])).numpy()
    np.testing.assert_array_equal(mixed, np.stack([array[0, :, ::-1, ::-1], array[1, :, ::-1]]))
    shifted = AF.shift(images, us.tensor([2, 0]), us.tensor([0, -1]), fill=7).numpy()
    expected = np.full_like(array, 7)
    expected[0, ..., 2:] = array[0, ..., :-2]
    expected[1, :, :-1] = array[1, :, 1:]
    np.testing.assert_array_equal(shifted, expected)
    np.testing.assert_array_equal(AF.crop(images, 1, 2, (3, 4)).numpy(), array[..., 1:4, 2:6])
    turned = AF.rotate(us.from_numpy(array[..., :5].copy()), 90).numpy()
    np.testing.assert_allclose(turned, np.rot90(array[..., :5], axes=(2, 3)), rtol=1e-5, atol=1e-3)


def test_the_directions_are_those_of_the_documentation() -> None:
    image = us.zeros(1, 1, 11, 11)
    image[0, 0, 5, 8] = 1.0  # right of the center
    place = us.tensor([[[8.0, 5.0]]])

    def peak(result: us.Tensor) -> list[int]:
        y, x = divmod(int(result.flatten().argmax().item()), 11)
        return [x, y]

    assert peak(AF.rotate(image, 90)) == [5, 2]  # above it: counter-clockwise
    assert peak(AF.shift(image, 1, 2)) == [9, 7]
    assert peak(AF.scale(image, 5 / 3)) == [10, 5]
    assert peak(AF.shear(image, 0, 45)) == [8, 8]
    image = image.transpose(2, 3)  # below the center
    assert peak(AF.shear(image, 45)) == [8, 8]
    assert place.shape == (1, 1, 2)


def test_elastic_displacements_have_the_standard_deviation_that_was_asked_for() -> None:
    warp = A.ElasticDistort(1.5, 6.0).draw(4000, (20, 13), us.Generator().manual_seed(0))
    assert warp.displacement is not None
    spread = warp.displacement.square().mean(0).sqrt().numpy()
    assert np.abs(spread - 1.5).max() < 0.12  # at every pixel and along both axes
    steps = (warp.displacement[..., 1:] - warp.displacement[..., :-1]).square().mean().sqrt().item()
    assert steps < 1.5 / 4  # neighbours move alike


def test_noise_has_its_standard_deviation_and_bytes_stay_in_range() -> None:
    noise = seeded(A.Noise(0.25), us.zeros(10, 1, 100, 100))
    assert abs(noise.std().item() - 0.25) < 0.005
    assert abs(noise.mean().item()) < 0.005
    dark = seeded(A.Noise(30), us.zeros(1, 1, 100, 100, dtype=us.uint8))
    assert 0.48 < (dark == 0).double().mean().item() < 0.53
    assert dark.max().item() < 200


def test_cutout_covers_rectangles_centered_anywhere() -> None:
    covered = seeded(A.Cutout(5, fill=-1.0), us.ones(500, 2, 12, 12)) == -1
    assert us.equal(covered[:, 0], covered[:, 1])
    areas = covered[:, 0].long().sum((1, 2))
    assert areas.max().item() == 25
    assert areas.min().item() == 9  # centered at a corner
    assert covered[:, 0].any(0).all().item()


# One warp for many ------------------------------------------------------------------------------------------


def test_composed_transforms_are_one_interpolation(monkeypatch: pytest.MonkeyPatch) -> None:
    from unspool.augment import _warp

    sizes: list[tuple[int, ...]] = []
    images = _warp.Warp.images

    def counting(self: Any, given: us.Tensor, *options: Any) -> us.Tensor:
        sizes.append(tuple(given.shape))
        return images(self, given, *options)

    monkeypatch.setattr(_warp.Warp, "images", counting)
    transforms = [A.Shift(2), A.Rotate(10), A.Flip(), A.Scale(0.9, 1.1), A.Shear(5), A.Crop(20)]
    A.Compose([A.Compose(transforms), A.Noise(0.1), A.Cutout(3)])(smooth_images())
    assert sizes == [(12, 2, 24, 24)]


def test_the_composed_warp_is_the_transforms_one_after_the_other() -> None:
    from unspool.augment._warp import _sampled

    images, size = smooth_images(), (24, 24)
    transforms = [
        A.Rotate(20), A.ElasticDistort(0.7, 8), A.Shift(2), A.Scale(0.9, 1.1),
        A.ElasticDistort(0.7, 8), A.Crop(22),
    ]  # fmt: skip
    at_once = seeded(A.Compose(transforms), images)
    generator = us.Generator().manual_seed(0)
    steps = [transform.warp(12, size, generator) for transform in transforms]
    y, x = np.mgrid[:22, :22]
    places = us.from_numpy(np.stack([x.ravel(), y.ravel()], 1).astype(np.float64)).expand(12, 22 * 22, 2)
    for step in reversed(steps):  # from the pixels of the result back to the image
        moved = places @ step.matrix[:, :2, :2].transpose(1, 2) + step.matrix[:, None, :2, 2]
        places = moved if step.displacement is None else moved + _sampled(step.displacement, places)
    expected = _sampled(images.double(), places).transpose(1, 2).reshape(12, 2, 22, 22)
    is_inside = ((places >= 0) & (places <= 23)).all(2).reshape(12, 1, 22, 22)
    assert is_inside.double().mean().item() > 0.7
    assert ((at_once - expected) * is_inside).abs().max().item() < 5e-3
    assert (at_once - images[..., 1:-1, 1:-1]).abs().max().item() > 0.3  # much has moved


def test_moves_and_their_opposites_compose_to_nothing() -> None:
    images = us.rand(3, 1, 9, 9, dtype=us.float64)
    both = A.Compose([A.Rotate((30, 30)), A.Scale(2, 2), A.Scale(0.5, 0.5), A.Rotate((-30, -30))])
    np.testing.assert_allclose(both(images).numpy(), images.numpy(), atol=1e-12)


@pytest.mark.parametrize("padding_mode", ["constant", "border", "reflection"])
def test_padding_is_what_lies_beyond_the_edges(padding_mode: str) -> None:
    image = us.arange(4.0).reshape(1, 1, 1, 4)
    moved = A.Compose([A.Shift((2, 2), 0)], padding_mode=padding_mode, fill=9.0)(image)
    expected = {"constant": [9, 9, 0, 1], "border": [0, 0, 0, 1], "reflection": [1, 0, 0, 1]}
    assert moved.flatten().tolist() == expected[padding_mode]


# Masks and key points ---------------------------------------------------------------------------------------


@geometric
def test_masks_and_key_points_go_where_the_image_goes(transform: A.Transform) -> None:
    images = smooth_images(8)[:, :1]
    flat = images.reshape(8, -1).argmax(1)
    peaks = us.stack([flat % 24, flat // 24], 1).float()[:, None]
    labels = (images[:, 0] > 0.5).to(us.int64) * 3
    compose = A.Compose([transform], mask_fill=255)
    moved, masks, points = seeded(compose, images, labels, peaks)
    assert us.equal(moved, seeded(compose, images))
    assert (masks.dtype, tuple(masks.shape)) == (us.int64, (8, *moved.shape[2:]))
    assert set(masks.flatten().tolist()) <= {0, 3, 255}
    for image, mask, (x, y) in zip(moved[:, 0], masks, points[:, 0].tolist(), strict=True):
        h, w = image.shape
        if not (2 <= x < w - 2 and 2 <= y < h - 2):
            continue
        assert image[round(y), round(x)].item() > 0.9  # the top of the blob
        assert mask[round(y), round(x)].item() == 3
        agree = (image > 0.5) == (mask == 3)
        near_edge = (image - 0.5).abs() < 0.2
        assert (agree | near_edge).all().item()


def test_key_points_of_distortions_are_found_to_a_thousandth_of_a_pixel() -> None:
    from unspool.augment._warp import _sampled

    compose = A.Compose([A.Rotate(30), A.ElasticDistort(0.8, 6.0), A.Shear(10), A.ElasticDistort(0.8, 6.0)])
    warp = None
    generator = us.Generator().manual_seed(0)
    for each in compose.transforms:
        step = each.warp(5, (30, 30), generator)
        warp = step if warp is None else warp.then(step)
    assert warp is not None
    assert warp.displacement is not None
    places = 5 + 20 * us.rand(5, 40, 2, dtype=us.float64)
    found = warp.points(places)
    back = found @ warp.matrix[:, :2, :2].transpose(1, 2) + warp.matrix[:, None, :2, 2]
    np.testing.assert_allclose((back + _sampled(warp.displacement, found)).numpy(), places.numpy(), atol=1e-3)


def test_masks_may_have_channels_and_single_images_their_own_forms() -> None:
    image = smooth_images(1)[0]
    mask = us.zeros(3, 24, 24, dtype=us.bool)
    whole = seeded(A.Rotate(20), image, mask, us.rand(7, 2))
    assert [tuple(part.shape) for part in whole] == [(2, 24, 24), (3, 24, 24), (7, 2)]
    flat = seeded(A.Rotate(20), image, mask[0])
    assert (tuple(flat.masks.shape), flat.masks.dtype, flat.keypoints) == ((24, 24), us.bool, None)
    only = seeded(A.Rotate(20), image, keypoints=us.rand(7, 2, dtype=us.float64))
    assert (only.masks, only.keypoints.dtype) == (None, us.float64)


# Gradients, threads, mistakes -------------------------------------------------------------------------------


def test_gradients_flow_through_a_warp_of_floating_images() -> None:
    images = us.rand(2, 1, 6, 6, dtype=us.float64, requires_grad=True)
    compose = A.Compose([A.Rotate(20), A.ElasticDistort(0.5, 3), A.Crop(5)])
    assert us.autograd.gradcheck(lambda x: seeded(compose, x), (images,))
    with pytest.raises(NotImplementedError, match="nearest"):
        AF.warp_image(
            images, us.eye(3, dtype=us.float64)[:2].expand(2, 2, 3), mode="nearest"
        ).sum().backward()


def test_a_compiled_step_draws_and_warps_as_an_eager_one() -> None:
    compose = A.Compose(
        [A.Rotate(20), A.ElasticDistort(0.5, 4), A.Flip(), A.Cutout(3), A.Noise(0.1), A.Crop(6)]
    )
    images = us.rand(3, 1, 8, 8)
    us.manual_seed(0)
    eager = [compose(images).tolist() for _ in range(4)]
    step = us.compile(lambda x: compose(x))
    us.manual_seed(0)
    assert [step(images).tolist() for _ in range(4)] == eager


def test_batches_augmented_by_threads_are_those_of_the_seed() -> None:
    compose = A.Compose([A.Rotate(20), A.ElasticDistort(0.5, 4), A.Noise(0.1)])
    batches = list(us.rand(9, 4, 1, 8, 8))

    def epoch(workers: int) -> list[Any]:
        us.manual_seed(1)
        return [x.tolist() for x in Prefetcher(batches, compose, workers=workers, seeded=True)]

    assert epoch(1) == epoch(3)


def test_the_number_of_threads_does_not_matter() -> None:
    images = (us.rand(33, 3, 40, 50) * 255).to(us.uint8)
    compose = A.Compose([A.Rotate(20), A.ElasticDistort(1, 8), A.Crop(37), A.Noise(3), A.Cutout(9)])
    threads = us.get_num_threads()
    try:
        us.set_num_threads(1)
        alone = seeded(compose, images)
        us.set_num_threads(3)
        assert us.equal(alone, seeded(compose, images))
    finally:
        us.set_num_threads(threads)


def test_wild_positions_read_nothing_outside() -> None:
    images = us.rand(6, 2, 5, 4)
    matrix = us.zeros(6, 2, 3)
    for i, value in enumerate((math.nan, math.inf, -math.inf, 1e30, -1e30, 2.0**31)):
        matrix[i] = value
    for padding in ("constant", "border", "reflection"):
        for mode in ("bilinear", "nearest"):
            result = AF.warp_image(images, matrix, size=(7, 9), mode=mode, padding_mode=padding, fill=0.25)
            known = [*images.flatten().tolist(), 0.25]
            low, high = min(known), max(known)
            assert ((result >= low) & (result <= high)).all().item()


def test_what_does_not_move_keeps_its_bits_infinities_and_not_a_number_included() -> None:
    images = us.rand(2, 1, 5, 6)
    images[0, 0, 2, 3], images[1, 0, 4, 5], images[0, 0, 0, 0] = math.nan, math.inf, -0.0
    for padding in ("constant", "border", "reflection"):
        same = AF.warp_image(images, us.eye(3)[:2].repeat(2, 1, 1), padding_mode=padding, fill=math.inf)
        assert same.numpy().tobytes() == images.numpy().tobytes()


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: A.Shift((2, 1)), "x"),
        (lambda: A.Rotate(-3), "degrees"),
        (lambda: A.Shift(float("inf")), "x must be a range"),
        (lambda: A.Rotate(float("nan")), "degrees"),
        (lambda: A.Scale(0, 1), "positive"),
        (lambda: A.Scale(2, 1), "range"),
        (lambda: A.Shear(60, 40), "steep"),
        (lambda: A.Shear(90), "steep"),
        (lambda: A.Crop(0), "size"),
        (lambda: A.Crop(3, padding=-1), "padding"),
        (lambda: A.Crop(30)(smooth_images()), "does not fit"),
        (lambda: A.ElasticDistort(-1), "alpha"),
        (lambda: A.ElasticDistort(1, 0.5), "spacing"),
        (lambda: A.Noise(-1), "std"),
        (lambda: A.Cutout(0), "size"),
        (lambda: A.Cutout(3, count=0), "count"),
        (lambda: A.Flip(p=1.5), "probability"),
        (lambda: A.Compose([], padding_mode="wrap"), "wrap"),
        (lambda: A.Compose([A.Flip()], fill=300)(us.zeros(1, 1, 2, 2, dtype=us.uint8)), "uint8"),
        (lambda: A.Cutout(2, fill=0.5)(us.zeros(1, 1, 2, 2, dtype=us.uint8)), "0.5"),
        (lambda: A.Rotate(3)(us.zeros(4, 4)), "(4, 4)"),
        (lambda: A.Rotate(3)(us.zeros(2, 1, 4, 4), us.zeros(3, 4, 4)), "(3, 4, 4)"),
        (lambda: A.Rotate(3)(us.zeros(2, 1, 4, 4), keypoints=us.zeros(2, 2)), "(2, 2)"),
        (lambda: AF.elastic_distort(us.zeros(2, 1, 4, 4), us.zeros(2, 2, 4, 4), 2.0), "(2, 2, 5, 5)"),
    ],
)
def test_settings_and_shapes_that_make_no_sense_are_refused(make: Any, word: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert word in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: A.Compose([lambda x: x]),
        lambda: A.Rotate(3)(np.zeros((1, 1, 4, 4))),
        lambda: A.Rotate(3)(us.zeros(1, 1, 4, 4, dtype=us.int64)),
        lambda: A.Rotate(3)(us.zeros(1, 1, 4, 4), keypoints=us.zeros(1, 2, 2, dtype=us.int64)),
        lambda: AF.noise(None, 1.0),
        lambda: A.Shift("far"),
        lambda: A.Rotate((1, 2, 3)),
    ],
)
def test_things_of_another_type_are_refused(make: Any) -> None:
    with pytest.raises(TypeError, match=r"transforms|tensor|int64|pair of numbers"):
        make()
