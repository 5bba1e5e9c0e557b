"""LAE's equations against numbers worked out by hand, and the shapes of table 2."""

from __future__ import annotations

import math

import pytest
import torch

from facewitness.detectors.nets.lae import Encoded, Lae
from facewitness.training import losses as shared
from facewitness.training.lae import losses
from facewitness.training.lae.critics import Comparator, Discriminator
from facewitness.types import RecipeError


def test_table_2_encoder() -> None:
    net, shapes = Lae().eval(), []
    x = torch.zeros(1, 3, 256, 256)
    with torch.no_grad():
        for layer in net.encoder:
            x = layer(x)
            shapes.append(tuple(x.shape[1:]))
        encoded = net.look(torch.zeros(1, 3, 256, 256))
    table = [
        *((64, 128, 128),) * 2,
        *((128, 64, 64),) * 3,
        *((256, 32, 32),) * 3,
        *((512, 16, 16),) * 5,
    ]
    assert shapes == table
    assert encoded.pooled.shape == (1, 512)
    assert encoded.latent.shape == (1, 128)


def test_table_2_decoder() -> None:
    net, shapes = Lae().eval(), []
    x = torch.zeros(1, 128, 1, 1)
    with torch.no_grad():
        for layer in net.decoder:
            x = layer(x)
            if isinstance(layer, torch.nn.ConvTranspose2d):
                shapes.append(tuple(x.shape[1:]))
    assert shapes == [(256 >> n, 4 << n, 4 << n) for n in range(6)] + [(3, 256, 256)]
    assert x.min() >= -1
    assert x.max() <= 1


def test_parameters() -> None:
    net = Lae()
    encoder = sum(p.numel() for part in (net.encoder, net.units) for p in part.parameters())
    decoder = sum(p.numel() for p in net.decoder.parameters())
    assert (encoder, decoder) == (5_183_808, 1_224_555)
    assert sum(p.numel() for p in Discriminator().parameters()) == 2_765_568
    with pytest.raises(TypeError, match="power of two"):
        Lae(size_px=200)


def test_equation_3_activities_and_the_score() -> None:
    latent = torch.tensor([[1.0, -3.0, 0.5, 0.5]])  # a_T = 2/4 * 4, a_F = 2/4 * 1
    net = Lae(latent=4, size_px=16)
    assert net.activity(latent).tolist() == [[2.0, 0.5]]
    net.look = lambda x: Encoded(torch.zeros(1, 512, 1, 1), torch.zeros(1, 512), latent)  # type: ignore[method-assign]
    logits = net(torch.zeros(1, 3, 16, 16)).logits
    assert float(torch.softmax(logits, 1)[0, 1]) == pytest.approx(0.5 / 2.5, abs=1e-5)


def test_equation_4_latent_loss() -> None:
    activity = torch.tensor([[0.75, 0.5], [0.5, 0.25]])  # a true one, then a fake one
    assert float(shared.activation(activity, torch.tensor([0, 1]))) == pytest.approx((0.25 + 0.5 + 0.5 + 0.75) / 2)


def test_equation_5_distances_and_the_adversarial_term() -> None:
    made, wanted = torch.tensor([0.0, 1.0]), torch.tensor([0.5, -1.0])
    assert float(shared.apart(made, wanted, "absolute")) == pytest.approx(1.25)
    assert float(shared.apart(made, wanted, "squared")) == pytest.approx((0.25 + 4) / 2)
    assert float(shared.fooled(torch.tensor([math.log(3.0)]))) == pytest.approx(math.log(4 / 3))  # D = 3/4


def test_equation_6_discriminator() -> None:
    real, made = torch.tensor([math.log(3.0)]), torch.tensor([-math.log(4.0)])  # D = 3/4 and 1/5
    assert float(shared.discriminated(real, made)) == pytest.approx(math.log(4 / 3) + math.log(5 / 4))


def test_equations_7_and_8_attention() -> None:
    """Four units: the third reads channel 0 with 2, the fourth channel 1 with -1; they are worth 3 and 5."""
    net = Lae(latent=4, size_px=16)
    net.units.weight.data.zero_()
    net.units.weight.data[2, 0], net.units.weight.data[3, 1] = 2.0, -1.0
    net.units.weight.data[0] = 100.0  # the true half has no part
    planes = torch.zeros(1, 512, 1, 2)
    planes[0, 0, 0], planes[0, 1, 0] = torch.tensor([1.0, 4.0]), torch.tensor([1.0, 0.0])
    encoded = Encoded(planes, planes.mean((2, 3)), torch.tensor([[9.0, 9.0, -3.0, 5.0]]))
    assert net.attention(encoded).flatten().tolist() == [(3 * 2 * 1 + 5 * -1 * 1) / 2, 3 * 2 * 4 / 2]


def test_a_map_is_shown_between_0_and_1_and_keeps_its_gradient() -> None:
    net = Lae(latent=4, size_px=32)
    plane = net(torch.rand(2, 3, 32, 32)).map
    assert plane is not None
    shown = torch.sigmoid(plane)
    assert 0 <= float(shown.detach().min()) <= float(shown.detach().max()) <= 1
    shown.sum().backward()
    assert net.units.weight.grad is not None
    assert net.units.weight.grad[2:].abs().sum() > 0


def test_equations_9_and_11_attention_loss() -> None:
    plane = torch.tensor([[[[0.5]]]])
    masks = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert float(losses.attention(plane, masks)) == pytest.approx((0.25 * 4) / 4)
    wide = torch.tensor([[[[0.0, 1.0]]]])  # enlarged to four columns: 0, 1/4, 3/4, 1
    found = losses.attention(wide, torch.zeros(1, 1, 1, 4))
    assert float(found) == pytest.approx((0 + 1 / 16 + 9 / 16 + 1) / 4)
    assert float(losses.attention(plane[:0], masks[:0])) == 0
    uneven = torch.tensor([[[[0.7]]]])  # one forged pixel of four
    assert float(losses.attention(uneven, masks, balanced=True)) == pytest.approx((0.09 + 0.49) / 2)


def test_equation_10_concept_model() -> None:
    weight = torch.tensor([math.log(3.0), 0.0])
    pooled = torch.tensor([[1.0, 7.0], [-1.0, 7.0]])  # p = 3/4 and 1/4
    found = losses.concept(weight, pooled, torch.tensor([1, 1]))
    assert float(found) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_noise_has_one_deviation_for_a_batch() -> None:
    torch.manual_seed(0)
    crops = torch.full((4, 3, 64, 64), 100, dtype=torch.uint8)
    spread = [losses.noisy(crops, 5.0).std((1, 2, 3)) for _ in range(20)]
    assert all(float(one.max() - one.min()) < 0.2 for one in spread)
    assert max(float(one.max()) for one in spread) <= 5.2
    assert torch.equal(losses.noisy(crops, 0.0), crops.float())


def test_a_discriminator_may_see_the_pictures_smaller() -> None:
    pictures = torch.rand(2, 3, 128, 128)
    assert Discriminator()(pictures).shape == (2, 1, 5, 5)
    assert Discriminator(64)(pictures).shape == (2, 1, 1, 1)


def test_the_comparator_looks_behind_the_tenth_convolution_and_never_learns() -> None:
    comparator = Comparator("random", 224)
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in comparator.layers) == 10
    with torch.no_grad():
        assert comparator(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 28, 28)
        assert comparator(torch.zeros(1, 3, 64, 64, dtype=torch.bfloat16)).shape == (1, 512, 28, 28)
    assert not any(parameter.requires_grad for parameter in comparator.train().parameters())
    assert not comparator.layers.training
    white = torch.ones(1, 3, 224, 224)
    seen: list[torch.Tensor] = []
    comparator.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    comparator(white)
    assert float(seen[0][0, 0, 0, 0]) == pytest.approx((1 - 0.485) / 0.229, abs=1e-4)


def test_a_comparator_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    import torchvision

    create = torchvision.models.vgg16

    def offline(weights: object = None) -> object:
        if weights is not None:
            raise OSError("no connection")
        return create(weights=None)

    monkeypatch.setattr(torchvision.models, "vgg16", offline)
    with pytest.raises(RecipeError, match=r"no connection.*comparator=random"):
        Comparator("imagenet", 224)
    with pytest.raises(RecipeError, match=r"nowhere\.pth holds no weights"):
        Comparator("nowhere.pth", 224)
