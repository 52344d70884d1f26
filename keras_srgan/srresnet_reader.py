import numpy as np

# PyTorch's default, which all known networks use. State dicts do not hold it.
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM = {"weight", "bias", "running_mean", "running_var"}
# The initial slope of PyTorch's PReLU: the slope of a layer that is not used.
UNTRAINED_SLOPE = 0.25


class SRResNetReader:
    """Reads the layers of a state dict one after the other.

    PyTorch keeps the order in which layers were declared and names their
    tensors "weight", "bias", "running_mean" and "running_var". The rest of a
    key depends on the project.
    """

    def __init__(self, tensors, batch_norm_epsilon=BATCH_NORM_EPSILON):
        self.batch_norm_epsilon = batch_norm_epsilon
        self.layers = {}
        for key, tensor in tensors.items():
            if tensor.ndim:  # skip counters, such as num_batches_tracked
                name, _, part = key.rpartition(".")
                if str(tensor.layout) != "torch.strided" or tensor.is_meta:
                    raise ValueError(
                        f"{key} holds no numbers: it is sparse or has no data."
                    )
                array = tensor.detach().double().numpy()
                self.layers.setdefault(name, {})[part] = array
        self.before = None
        self._check_keys()

    def network(self):
        """Returns the arrays of all layers; convolutions as (kernel, bias)."""
        sizes = [parts["weight"].shape for parts in self.layers.values()]
        filters = sizes[0][0]
        inner = [size[:2] == (filters, filters) for size in sizes]
        network = {
            "start_conv": self._conv(filters, 3, 9),
            "start_prelu": self._prelu(filters),
        }

        blocks, unused = [], []
        for _ in range(sum(inner) // 2):
            # Some projects declare the PReLU before or after both convolutions,
            # and some declare a second one that they never call.
            slopes = self._prelus(filters)
            before = bool(slopes)
            first = self._conv(filters, filters, 3)
            slopes += [] if before else self._prelus(filters)
            second = self._conv(filters, filters, 3)
            slopes += [] if before else self._prelus(filters)
            if not slopes:
                self._fail("a PReLU of this block")
            blocks.append((first, slopes[0], second))
            unused += slopes[1:]
        network["blocks"] = blocks

        network["end_conv"] = self._conv(filters, filters, 3)
        end_prelu = self._prelus(filters)
        if unused:
            unused += end_prelu
            end_prelu = []
        if any((slopes != UNTRAINED_SLOPE).any() for slopes in unused):
            raise ValueError(
                "Its residual blocks have a second PReLU with trained slopes."
            )
        network["end_prelu"] = end_prelu

        upscales = []
        while self._next_size()[:2] != (3, filters):
            conv = self._conv(4 * filters, filters, 3)
            upscales.append((conv, self._prelu(filters)))
        network["upscales"] = upscales
        network["rgb_conv"] = self._conv(3, filters, 9)
        if self.layers:
            raise ValueError(
                f"Unexpected after the last layer: {_names(self._keys())}."
            )
        if len(upscales) not in (1, 2, 3):
            raise ValueError(
                f"It enlarges {2 ** len(upscales)} times instead of 2, 4 or 8."
            )
        return network

    def _check_keys(self):
        missing, unexpected, misshapen = [], [], []
        for name, parts in self.layers.items():
            weight = parts.get("weight", np.empty(0))
            if weight.ndim == 4 or len(parts) == 1:
                needed, known = {"weight"}, {"weight", "bias"}
            elif parts.keys() & {"running_mean", "running_var"}:
                needed = known = BATCH_NORM
            else:
                needed = known = set()
            prefix = f"{name}." if name else ""
            missing += [prefix + part for part in sorted(needed - set(parts))]
            unexpected += [prefix + part for part in parts if part not in known]
            misshapen += [
                f"{prefix}{part} {array.shape}"
                for part, array in parts.items()
                if part in known - {"weight"}
                and array.shape != weight.shape[:1]
            ]
        problems = [
            f"{problem}: {_names(keys)}."
            for problem, keys in {
                "Missing": missing,
                "Unexpected": unexpected,
                "Shape differs from the weight's": misshapen,
            }.items()
            if keys
        ]
        if problems or not self.layers:
            raise ValueError(" ".join(problems) or "It has no layers.")

    def _conv(self, outputs, inputs, size):
        """Reads a convolution and folds in a following normalization."""
        parts = self._next()
        shape = parts.get("weight", np.empty(0)).shape
        if len(shape) != 4 or not (
            shape[:2] == (outputs, inputs)
            and shape[2] == shape[3] <= size
            and shape[2] % 2
        ):
            self._fail(
                f"a convolution {inputs} → {outputs}, at most {size}x{size}"
            )
        self._take()
        kernel, bias = parts["weight"], parts.get("bias", np.zeros(outputs))
        margin = (size - shape[2]) // 2
        kernel = np.pad(kernel, [(0, 0), (0, 0), (margin,) * 2, (margin,) * 2])

        parts = self._next()
        if "running_var" in parts and len(parts["weight"]) == outputs:
            self._take()
            scale = parts["weight"] / np.sqrt(
                parts["running_var"] + self.batch_norm_epsilon
            )
            kernel = kernel * scale.reshape(-1, 1, 1, 1)
            bias = (bias - parts["running_mean"]) * scale + parts["bias"]
        return kernel, bias

    def _prelu(self, filters):
        """Reads the slopes of a PReLU."""
        found = self._prelus(filters)
        return found[0] if found else self._fail("a PReLU")

    def _prelus(self, filters):
        """Reads the slopes if the next layer is a PReLU; returns a list."""
        parts = self._next()
        shape = parts.get("weight", np.empty(0)).shape
        if parts.keys() == {"weight"} and shape in ((1,), (filters,)):
            return [self._take()["weight"]]
        return []

    def _next(self):
        return next(iter(self.layers.values()), {})

    def _next_size(self):
        return self._next().get("weight", np.empty(0)).shape

    def _take(self):
        self.before = next(iter(self.layers))
        return self.layers.pop(self.before)

    def _keys(self):
        return [
            f"{name}.{part}" if name else part
            for name, parts in self.layers.items()
            for part in parts
        ]

    def _fail(self, expected):
        place = f"after {self.before!r}" if self.before else "at the start"
        found = "the file ends"
        if self.layers:
            key = self._keys()[0]
            found = f"{key} of shape {self._next_size()} comes"
        raise ValueError(f"Missing {place}: {expected}. Instead, {found}.")


def _names(keys, limit=10):
    more = f" and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more
