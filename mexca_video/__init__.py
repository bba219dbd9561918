"""From a video to a labelled dataset: where each face is, who it is and what it does."""
__version__ = "0.1.0"

from importlib import import_module

__path__ = [*__path__, f"{__path__[0]}/_moved"]  # modules of version 0.1 that stand elsewhere now
_HOME = {
    "schema": ["EMPTY_VALUE", "AU_NAMES", "STATUS", "check_features", "demo_features"],
    "models.registry": ["fetch_model", "model_table"],
    "samples": ["sample_clip", "sample_image", "sample_path", "sample_truth"],
    "video": ["FrameError", "VideoDataset"],
    "people.identification": ["NotEnoughFacesError"],
    "extraction.extractor": ["FaceExtractor"],
    "extraction.doubts": ["describe_doubts"],
    "review.validation": ["list_odd_frames", "load_checks", "sample_checks", "save_checks", "score_checks", "wilson_interval"],
    "review.corrections": ["assign_face", "assign_track", "merge_faces", "rename_faces", "replay_history", "split_faces", "suggest_split", "swap_faces", "unassign_faces"],
    "io.netcdf": ["load", "save", "to_csv", "to_table"],
    "figures": ["cut_face", "draw_action_units", "draw_au_map", "draw_faces", "draw_frame", "draw_identity", "draw_summary", "draw_timeline", "person_colors"],
    "viewers.base": ["view_checks", "view_detections", "view_faces", "view_timeline"],
    "io.sharing": ["blur_faces", "share_safe"],
    "citing": ["cite"],
    "cli": ["cli"],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
_MODULES = sorted({module.split(".")[0] for module in _HOME})
__all__ = [*_MODULE_OF, "__version__"]


def __getattr__(name):
    "Import the module that holds `name` when it is first asked for, so that `import mexca_video` stays quick."
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, *_MODULES})
