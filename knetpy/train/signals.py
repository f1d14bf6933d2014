"""What is raised to leave out a step, or to end a loop, without an error."""


class Skip(Exception):
    """Raised in a loss function or in minimize's `before`: this step is left out, the loop goes on with the next item.

    Params, optimizer and the running moments of batchnorm stay as they are.
    """


class Stop(Exception):
    """Raised in a loss function, in minimize's `before` or in a callback of `tap`: the loop ends there, without error.

    Params and optimizer stay as the last whole step left them.
    """
