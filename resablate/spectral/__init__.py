"""Convolutions as operators: their spectrum, and the nearest one whose singular values are equal."""

from resablate.spectral.applied_convolution import applied_convolution as applied_convolution
from resablate.spectral.polar import polar_factor as polar_factor
from resablate.spectral.polar import polar_kernel as polar_kernel
from resablate.spectral.singular_values import OperatorTooLarge as OperatorTooLarge
from resablate.spectral.singular_values import singular_values as singular_values
from resablate.spectral.symbol import half_symbol as half_symbol
from resablate.spectral.symbol import kernel_of_symbol as kernel_of_symbol
from resablate.spectral.symbol import symbol as symbol
from resablate.spectral.zero_padding import largest_singular_value_zero_padded as largest_singular_value_zero_padded
