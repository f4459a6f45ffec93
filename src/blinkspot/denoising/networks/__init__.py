"""Blind-spot networks: the output at a pixel depends on its neighbours, never on itself."""

from blinkspot.denoising.networks.base import WHOLE, BlindSpotNetwork
from blinkspot.denoising.networks.registry import NETWORKS, NetworkName, build_network, default_channels

__all__ = ["NETWORKS", "WHOLE", "BlindSpotNetwork", "NetworkName", "build_network", "default_channels"]
