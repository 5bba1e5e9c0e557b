"""The architectures to train, as untrained cards. Data only: nothing is built and nothing is loaded here.

``parameters`` counts what is learnt and ``macs`` the multiplications of one crop, both at the card's own size; the
conformance suite counts them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from forgesight.types import Card, CropProfile

_NETS = "forgesight.detectors.nets"
_HALF: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
_IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_MESO = "Afchar et al., MesoNet: a Compact Facial Video Forgery Detection Network, WIFS 2018"
_SHALLOW = "Tariq et al., Detecting Both Machine and Human Created Fake Face Images In the Wild, MPS 2018"
_FFD = "Dang et al., On the Detection of Digital Face Manipulation, CVPR 2020"
_PATCH = "Chai et al., What Makes Fake Images Detectable? Understanding Properties that Generalize, ECCV 2020"
_DCT = "Frank et al., Leveraging Frequency Analysis for Deep Fake Image Recognition, ICML 2020"


def _card(name: str, build: str, size_px: int, about: str, paper: str, cam_layer: str = "", **rest: Any) -> Card:
    rest = {"margin": 0.3, **rest}
    crop = CropProfile(size_px=size_px, margin=rest.pop("margin"))
    given = {"cam_layer": cam_layer, "about": about, "paper": paper, "licence": "Apache-2.0", **rest}
    return Card(name=name, build=f"{_NETS}.{build}", crop=crop, **given)


def _backbone(name: str, of: str, size_px: int, about: str, paper: str, cam_layer: str, **rest: Any) -> Card:
    args = {"backbone": of, **rest.pop("args", {})}
    return _card(name, "backbone:Backbone", size_px, about, paper, f"body.{cam_layer}", args=args, **rest)


_CARDS = (
    _card(
        "meso4",
        "mesonet:Meso4",
        256,
        "Four small convolutions; looks at textures between noise and meaning.",
        _MESO,
        "blocks.3.0.0",
        args={"size_px": 256},
        margin=0.25,
        parameters=27_977,
        macs=60_047_376,
    ),
    _card(
        "mesoinception4",
        "mesonet:MesoInception4",
        256,
        "Meso-4 whose first two layers are inception blocks with dilated branches.",
        _MESO,
        "blocks.3.0.0",
        args={"size_px": 256},
        margin=0.25,
        parameters=28_615,
        macs=57_098_256,
    ),
    _card(
        "shallownet-v1",
        "shallownet:ShallowNetV1",
        128,
        "Seventeen plain convolutions with batch norm and a wide layer; few poolings, so that small traces survive.",
        _SHALLOW,
        "body.69",
        args={"size_px": 128},
        parameters=26_272_794,
        macs=8_399_123_559,
    ),
    _card(
        "shallownet-v2",
        "shallownet:ShallowNetV2",
        64,
        "Eight convolutions, no pooling: two of them have a stride instead. Meant for 64 px.",
        _SHALLOW,
        "body.21",
        args={"size_px": 64},
        parameters=51_704_578,
        macs=1_174_538_240,
    ),
    _card(
        "shallownet-v3",
        "shallownet:ShallowNetV3",
        256,
        "Eight unpadded convolutions, half of them 1 x 1; the one the generalizability study runs.",
        "Tariq et al., GAN is a Friend or Foe? A Framework to Detect Various Fake Face Images, SAC 2019",
        "body.23",
        args={"size_px": 256},
        parameters=118_079_266,
        macs=1_089_969_664,
    ),
    _backbone(
        "xception",
        "legacy_xception",
        299,
        "The strongest baseline of FaceForensics++: depthwise separable convolutions, begun from ImageNet.",
        "Chollet, Xception, CVPR 2017; as in Roessler et al., FaceForensics++, ICCV 2019",
        "act4",
        **_HALF,
        parameters=20_811_050,
        macs=8_355_359_592,
    ),
    _backbone(
        "efficientnet-b0",
        "tf_efficientnet_b0",
        256,
        "The smallest EfficientNet with TensorFlow's padding, begun from nothing as the generalizability study does.",
        "Tan & Le, EfficientNet, ICML 2019; as in Li et al., 2023",
        "bn2",
        args={"dropout": 0.2},
        parameters=4_010_110,
        macs=502_060_032,
    ),
    _card(
        "suppressnet",
        "bayar:SuppressNet",
        128,
        "The first layer may only predict a pixel from its neighbours, which suppresses what a picture shows.",
        "Bayar & Stamm, A Deep Learning Approach to Universal Image Manipulation Detection, IH&MMSec 2016",
        "body.4",
        args={"size_px": 128},
        parameters=45_219_998,
        macs=228_706_752,
    ),
    _card(
        "residualnet",
        "steganalysis:ResidualNet",
        128,
        "A steganalysis descriptor (co-occurrences of noise residuals) recast as a network and let learn.",
        "Cozzolino et al., Recasting Residual-based Local Descriptors as Convolutional Neural Networks, IH&MMSec 2017",
        "books.0",
        parameters=1_320,
        macs=21_662_668,
    ),
    _card(
        "statsnet",
        "stats:StatsNet",
        128,
        "Two convolutions, then mean, minimum, maximum and variance of each channel.",
        "Rahmouni et al., Distinguishing Computer Graphics from Natural Images Using CNNs, WIFS 2017",
        "body.2",
        parameters=284_034,
        macs=306_972_672,
    ),
    _card(
        "forensictransfer",
        "halves:ForensicTransfer",
        256,
        "An autoencoder of noise residuals whose latent has a half for real and a half for forged.",
        "Cozzolino et al., ForensicTransfer: Weakly-supervised Domain Adaptation for Forgery Detection, 2018",
        "encoder.11",
        parameters=197_542,
        macs=105_381_888,
    ),
    _card(
        "classnseg",
        "halves:ClassNSeg",
        256,
        "One latent, two halves, three tasks: verdict, forged region and reconstruction.",
        "Nguyen et al., Multi-task Learning for Detecting and Segmenting Manipulated Facial Images, BTAS 2019",
        "encoder.24",
        has_map=True,
        **_IMAGENET,
        parameters=304_949,
        macs=250_085_376,
    ),
    _card(
        "ffd-xception",
        "ffd:FfdXception",
        299,
        "Xception whose middle is multiplied by a forgery map that it draws itself.",
        _FFD,
        "body.act4",
        has_map=True,
        args={"attention": "regression"},
        **_HALF,
        parameters=20_818_330,
        macs=8_357_987_672,
    ),
    _card(
        "ffd-xception-mam",
        "ffd:FfdXception",
        299,
        "As ffd-xception, the map being a mean plus ten templates learnt from the masks.",
        _FFD,
        "body.act4",
        has_map=True,
        args={"attention": "mam"},
        **_HALF,
        parameters=21_890_684,
        macs=8_673_582_922,
    ),
    _card(
        "patch-xception",
        "patch:PatchXception",
        299,
        "Xception cut off after block 2: every patch of 43 px gets its own verdict, the picture their mean.",
        _PATCH,
        "stem.7",
        has_map=True,
        args={"block": 2},
        **_HALF,
        parameters=191_330,
        macs=1_633_539_360,
    ),
    _card(
        "patch-resnet",
        "patch:PatchResnet",
        224,
        "ResNet-18 cut off after layer 1: every patch of 43 px gets its own verdict, the picture their mean.",
        _PATCH,
        "stem.4",
        has_map=True,
        args={"layer": 1},
        **_HALF,
        parameters=157_634,
        macs=580_837_376,
    ),
    _backbone(
        "cnndetection",
        "resnet50",
        224,
        "ResNet-50 from ImageNet; what makes it general is training on blurred and compressed pictures.",
        "Wang et al., CNN-generated Images Are Surprisingly Easy to Spot... for Now, CVPR 2020",
        "layer4",
        args={"outputs": 1},
        **_IMAGENET,
        parameters=23_510_081,
        macs=4_087_138_304,
    ),
    _card(
        "dct",
        "dct:DctNet",
        128,
        "Logistic regression on the logarithm of the picture's cosine spectrum.",
        _DCT,
        args={"size_px": 128, "head": "ridge"},
        parameters=49_153,
        macs=12_632_064,
    ),
    _card(
        "dct-cnn",
        "dct:DctNet",
        128,
        "A small CNN on the logarithm of the picture's cosine spectrum.",
        _DCT,
        "body.8",
        args={"size_px": 128, "head": "cnn"},
        parameters=38_885,
        macs=26_918_912,
    ),
    _backbone(
        "resnet18",
        "resnet18",
        224,
        "A general classifier to compare sizes with.",
        "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
        "layer4",
        **_IMAGENET,
        parameters=11_177_538,
        macs=1_813_562_368,
    ),
    _backbone(
        "resnet152",
        "resnet152",
        224,
        "A large general classifier to compare sizes with.",
        "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
        "layer4",
        **_IMAGENET,
        parameters=58_147_906,
        macs=11_511_582_720,
    ),
    _backbone(
        "vgg16",
        "vgg16",
        224,
        "The largest general classifier to compare sizes with.",
        "Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
        "features.29",
        **_IMAGENET,
        parameters=134_268_738,
        macs=15_466_176_512,
    ),
    _card(
        "steg-svm",
        "steganalysis:StegSvm",
        128,
        "No network: 162 co-occurrences of noise residuals under a linear SVM.",
        "Fridrich & Kodovsky, Rich Models for Steganalysis of Digital Images, TIFS 2012; as in FaceForensics++",
        parameters=163,
        macs=4_870_388,
    ),
    _card(
        "capsule-v2",
        "capsule:CapsuleV2",
        300,
        "Ten capsules on VGG-19's early layers vote for real or forged.",
        "Nguyen et al., Use of a Capsule Network to Detect Fake Images and Videos, 2019",
        "vgg.17",
        **_IMAGENET,
        parameters=3_896_638,
        macs=22_206_928_640,
    ),
    _card(
        "f3net",
        "f3net:F3Net",
        299,
        "Two Xceptions, one on learnt frequency bands, one on local frequency statistics, that look at each other.",
        "Qian et al., Thinking in Frequency: Face Forgery Detection by Mining Frequency-aware Clues, ECCV 2020",
        "first.act4",
        args={"size_px": 299},
        **_HALF,
        parameters=42_378_240,
        macs=17_855_437_122,
    ),
    _card(
        "effnet-map",
        "effnet:EffnetMap",
        128,
        "EfficientNet-B0 on a picture and its high-pass residual, with a decoder to a fakeness map.",
        "Forgesight; encoder: Tan & Le, EfficientNet, ICML 2019",
        "neck.0",
        has_map=True,
        **_HALF,
        parameters=910_807,
        macs=111_875_332,
    ),
)

ARCHITECTURES: Mapping[str, Card] = MappingProxyType({card.name: card for card in _CARDS})
