"""Families of joint laws with known mutual information, one file per law; importing the package registers them all."""

from data_gen.families import (  # noqa: F401  (imported for their registrations)
    additive_noise,
    copula,
    discrete,
    discrete_classes,
    discrete_cut,
    discrete_label,
    gamma_exponential,
    gaussian,
    gaussian_dispersion,
    gaussian_spectrum,
    independence,
    mixture,
    mixture_labelled,
    noisy_curve,
    noisy_function,
    noisy_scale,
    product,
    shells,
    student,
    zero_inflated,
)
