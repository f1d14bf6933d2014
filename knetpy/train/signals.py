"""What is raised to leave out a step, or to end a loop, without an error."""


class _Signal(Exception):
    """What nobody has caught says where it belongs."""

    where = ""

    def __str__(self) -> str:
        return (
            super().__str__() or f"kn.train.{type(self).__name__} was raised where nothing waits for it; {self.where}"
        )


class Skip(_Signal):
    """Raised in a loss function or in minimize's `before`: this step is left out, the loop goes on with the next item.

    Params, optimizer and the running moments of batchnorm stay as they are. Elsewhere it is an error: in the body of a
    loop and in callbacks the step has been made.
    """

    where = (
        "it leaves out a step from within the loss function or minimize's before. In the body of a loop, where the "
        "step has been made, write continue; in a callback return"
    )


class Stop(_Signal):
    """Raised in a loss function, in minimize's `before` or in a callback of `tap`: the loop ends there, without error.

    Params and optimizer stay as the last whole step left them. Elsewhere it is an error; in the body of a loop write
    break.
    """

    where = (
        "it ends a loop from within the loss function, minimize's before or a callback of kn.train.tap. In the body "
        "of a loop write break"
    )
