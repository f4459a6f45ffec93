"""Blind-spot networks: the output at a pixel depends on its neighbours, never on itself."""

from blinkspot.denoising.networks.base import BlindSpotNetwork
from blinkspot.denoising.networks.registry import NETWORKS, NetworkName, build_network, default_channels

__all__ = ["NETWORKS", "BlindSpotNetwork", "NetworkName", "build_network", "default_channels"]
