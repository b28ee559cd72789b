"""NumPy's values as nodes: arrays of every type, scalars, types, generators; and back, with every bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from seriatim._typing import AnyArray

if TYPE_CHECKING:
    from seriatim.persistence._values import Reader, Writer

# What safetensors has names for; the bytes of other types are a tensor of uint8.
_NATIVE = {np.dtype(name).str for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}
_RAW = "fiubcMmSU"
_TYPES = {"bool": bool, "int": int, "float": float, "complex": complex, "str": str, "bytes": bytes, "object": object}
_ENGINES = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_SPARSE = ("csr_matrix", "csc_matrix", "csr_array", "csc_array")


def encode(writer: Writer, value: Any, prefix: str, path: str) -> Any:
    """Return the node of one of NumPy's or SciPy's values, None of any other."""
    if isinstance(value, np.ndarray):
        return _encode_array(writer, value, prefix, path)
    if isinstance(value, (np.str_, np.bytes_)):
        plain = str(value) if isinstance(value, np.str_) else bytes(value)
        return {"scalar": type(value).__name__, "value": writer.encode(plain, prefix, path)}
    if isinstance(value, np.generic) and value.dtype.kind in _RAW:
        return {"scalar": value.dtype.str, "value": value.tobytes().hex()}
    if isinstance(value, np.dtype) and (value.kind in _RAW or value.kind == "O"):
        return {"data type": value.str}
    if isinstance(value, type):
        word = str(getattr(value, "__name__", ""))
        own = issubclass(value, np.generic) and getattr(np, word, None) is value
        return {"type": f"numpy.{word}"} if own else {"type": word} if _TYPES.get(word) is value else None
    if value is np.random:
        return {"type": "numpy.random"}
    if isinstance(value, np.random.RandomState):
        drawn = value.get_state(legacy=False)
        return writer.shared(value, path, lambda: {"random_state": writer.encode(drawn, prefix, path)})
    if isinstance(value, np.random.Generator) and type(value.bit_generator).__name__ in _ENGINES:
        state = value.bit_generator.state
        return writer.shared(value, path, lambda: {"generator": writer.encode(state, prefix, path)})
    if type(value).__name__ in _SPARSE and type(value).__module__.startswith("scipy.sparse"):
        parts = {name: getattr(value, name) for name in ("data", "indices", "indptr")}
        nodes = {name: writer.encode(part, f"{prefix}{name}.", f"{path}.{name}") for name, part in parts.items()}
        return {"sparse": type(value).__name__, "parts": nodes, "shape": [int(n) for n in value.shape]}
    return None


# ---- Arrays


def _encode_array(writer: Writer, value: AnyArray, prefix: str, path: str) -> Any:
    if type(value) is np.ma.MaskedArray:
        parts = [value.data, np.ma.getmaskarray(value), np.asarray(value.fill_value)]
        return {"masked": [writer.encode(part, f"{prefix}{i}.", path) for i, part in enumerate(parts)]}
    if type(value) not in (np.ndarray, np.memmap):
        return None
    if value.dtype.kind == "O" or value.dtype.char == "T":
        dtype: Any = value.dtype
        if dtype.char == "T" and (hasattr(dtype, "na_object") or not dtype.coerce):
            return None
        items = value.ravel().tolist()
        nodes = [writer.encode(item, f"{prefix}{i}.", f"{path}[{i}]") for i, item in enumerate(items)]
        return {"objects": nodes, "shape": list(value.shape), "dtype": value.dtype.char}
    if value.dtype.kind not in _RAW or value.dtype.names is not None:
        return None
    return _encode_tensor(writer, value, prefix.rstrip(".") or "value")


def _encode_tensor(writer: Writer, value: AnyArray, name: str) -> Any:
    # How an array lies decides how products of it are summed.
    turned = value.flags.f_contiguous and not value.flags.c_contiguous
    array = np.asarray(value.T if turned else value, order="C").view(np.ndarray)
    node: dict[str, Any] = {"tensor": writer.name(name)}
    if turned:
        node["order"] = "F"
    if array.dtype.str not in _NATIVE:
        node |= {"dtype": array.dtype.str, "shape": list(array.shape)}
        array = np.frombuffer(array.tobytes(), np.uint8)
    writer.tensors[node["tensor"]] = array
    return node


def _tensor(reader: Reader, node: dict[str, Any]) -> AnyArray:
    array = reader.tensors[node["tensor"]]
    if "dtype" in node:
        dtype, shape = dtype_of(node["dtype"], _RAW), shape_of(node["shape"])
        if array.dtype != np.uint8 or not dtype.itemsize or dtype.itemsize * math.prod(shape) != array.nbytes:
            raise ValueError(f"tensor {node['tensor']!r}: expected the bytes of {shape} numbers of {dtype}")
        # NumPy's own alignment, and room for types of no bytes, such as those of empty text.
        held = np.zeros(shape, dtype)
        if array.nbytes:
            held.reshape(-1).view(np.uint8)[:] = array.reshape(-1)
        array = held
    return array.T if node.get("order") == "F" else array


def _objects(reader: Reader, node: dict[str, Any]) -> AnyArray:
    shape, items = shape_of(node["shape"]), node["objects"]
    if math.prod(shape) != len(items):
        raise ValueError(f"expected {shape} values, got {len(items)}")
    kind: Any = np.dtype(object) if node["dtype"] == "O" else np.dtypes.StringDType()
    # One by one: NumPy would look into values that are lists.
    flat: AnyArray = np.empty(len(items), kind)
    for i, item in enumerate(items):
        flat[i] = reader.decode(item)
    return flat.reshape(shape)


def _masked(reader: Reader, node: dict[str, Any]) -> Any:
    data, mask, fill = (reader.decode(part) for part in node["masked"])
    return np.ma.MaskedArray(data, mask, fill_value=fill[()])


def _sparse(reader: Reader, node: dict[str, Any]) -> Any:
    import scipy.sparse

    if node["sparse"] not in _SPARSE:
        raise ValueError(f"unknown sparse matrix {node['sparse']!r}")
    data, indices, indptr = (reader.decode(node["parts"][name]) for name in ("data", "indices", "indptr"))
    matrix = getattr(scipy.sparse, node["sparse"])((data, indices, indptr), shape=shape_of(node["shape"]))
    # Compiled code trusts these numbers.
    matrix.check_format(full_check=True)
    return matrix


# ---- Scalars and types


def _scalar(reader: Reader, node: dict[str, Any]) -> Any:
    if node["scalar"] in ("str_", "bytes_"):
        return getattr(np, node["scalar"])(reader.decode(node["value"]))
    dtype, held = dtype_of(node["scalar"], "fiubcMm"), bytes.fromhex(node["value"])
    if len(held) != dtype.itemsize:
        raise ValueError(f"expected the bytes of one {dtype}, got {len(held)}")
    return np.frombuffer(held, dtype)[0]


def _type(reader: Reader, node: dict[str, Any]) -> Any:
    name = str(node["type"])
    if name == "numpy.random":
        return np.random
    found = _TYPES.get(name) or getattr(np, name.removeprefix("numpy."), None)
    if not isinstance(found, type) or not (name in _TYPES or issubclass(found, np.generic)):
        raise ValueError(f"unknown type {name!r}")
    return found


def dtype_of(name: Any, kinds: str) -> np.dtype[Any]:
    """Return a type of one of some kinds by NumPy's short name; raises ValueError for all else."""
    try:
        found = np.dtype(str(name))
    except (TypeError, SyntaxError, Warning) as error:
        raise ValueError(f"unknown type {name!r}: {error}") from None
    # Bytes of a file must never become addresses of objects.
    if (found.hasobject and "O" not in kinds) or found.kind not in kinds or found.names or found.subdtype:
        raise ValueError(f"unknown type {name!r}")
    return found


def shape_of(values: Any) -> tuple[int, ...]:
    """Return a shape; raises ValueError for what is none."""
    shape = tuple(values)
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise ValueError(f"expected a shape, got {values!r:.60}")
    return shape


# ---- Generators


def _engine(state: Any) -> Any:
    """Return a bit generator in a state; what compiled code trusts is looked at."""
    name = state["bit_generator"]
    if name not in _ENGINES:
        raise ValueError(f"unknown generator {name!r:.60}")
    # By where it stands the next number is read.
    places = {"MT19937": (state["state"], "pos", 624), "Philox": (state, "buffer_pos", 4)}
    if name in places:
        holder, key, end = places[name]
        if type(holder[key]) is not int or not 0 <= holder[key] <= end:
            raise ValueError(f"{key} of {name}: expected 0 to {end}, got {holder[key]!r:.60}")
    engine = getattr(np.random, name)(0)
    engine.state = state
    return engine


def _random_state(reader: Reader, node: dict[str, Any]) -> Any:
    state = reader.decode(node["random_state"])
    made = np.random.RandomState(_engine({k: v for k, v in state.items() if k not in ("has_gauss", "gauss")}))
    made.set_state(state)
    reader.generators.add(made)
    return reader.known_as(node, made)


def _generator(reader: Reader, node: dict[str, Any]) -> Any:
    made = np.random.Generator(_engine(reader.decode(node["generator"])))
    reader.generators.add(made)
    return reader.known_as(node, made)


def array_of(values: Any, name: Any) -> AnyArray:
    """Return the array of a list, as format 2 has them."""
    if name == "|O":
        return np.array(values, dtype=object)
    found, dtype = np.array(values), dtype_of(name, _RAW)
    if dtype.kind in "SU" and dtype.itemsize > max(found.itemsize, 64):
        raise ValueError(f"has texts of {dtype}, which are shorter")
    return np.array(values, dtype=dtype)


DECODERS: dict[str, Any] = {
    "tensor": _tensor,
    "objects": _objects,
    "masked": _masked,
    "sparse": _sparse,
    "scalar": _scalar,
    "data type": lambda reader, node: dtype_of(node["data type"], _RAW + "O"),
    "type": _type,
    "random_state": _random_state,
    "generator": _generator,
}
