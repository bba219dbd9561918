"""Copies of a module with a fault, in plain Python: the faults that a comparison notices say what it is worth."""
import inspect
import types


def mutant(module, *changes):
    "A copy of a module in which texts, each of them there once, are replaced. Its kernels stay plain functions."
    source = inspect.getsource(module)
    for old, new in changes:
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {module.__name__}"
        source = source.replace(old, new)
    copy = types.ModuleType(f"{module.__name__}_mutant")
    exec(compile(source, copy.__name__, "exec"), copy.__dict__)
    copy.compile_kernels = lambda name: None
    return copy
