"""`python -m training` takes the flags of `mist train`, for torchrun."""

import sys

from mist.errors import MistError


def main() -> int:
    """Run a training; 0 when done, 1 with one line on stderr when its input is wrong."""
    import tyro

    from data_gen.errors import DataGenError
    from training.config import TrainConfig
    from training.loop import train

    config = tyro.cli(TrainConfig)
    try:
        print(train(config))
    except (MistError, DataGenError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
