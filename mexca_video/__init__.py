"""From a video to a labelled dataset: where each face is, who it is and what it does."""
__version__ = "0.2.0"

import warnings
from importlib import import_module

__path__ = [*__path__, f"{__path__[0]}/_moved"]  # modules of version 0.1 that stand elsewhere now
_HOME = {
    "schema": ["EMPTY_VALUE", "AU_NAMES", "STATUS"],
    "validators": ["check_features"],
    "models.registry": ["model_table"],
    "models.fetch": ["fetch_model"],
    "faces.eyes": ["gaze_in_camera"],
    "samples": ["demo_features", "sample_clip", "sample_image", "sample_path", "sample_truth"],
    "video": ["FrameError", "VideoDataset"],
    "people.identification": ["NotEnoughFacesError"],
    "people.gallery": ["make_gallery", "measure_recognition"],
    "extraction.extractor": ["FaceExtractor"],
    "extraction.doubts": ["describe_doubts"],
    "review.validation": ["flag_frames", "load_checks", "sample_checks", "save_checks", "score_checks", "wilson_interval"],
    "review.corrections": ["assign_face", "assign_track", "exclude_faces", "merge_faces", "rename_faces", "replay_history", "split_faces", "suggest_split", "swap_faces", "unassign_faces"],
    "review.flags": ["count_flags", "flag_faces"],
    "review.recognition": ["load_gallery", "recognize", "save_gallery"],
    "io.netcdf": ["load", "save"],
    "io.tables": ["to_csv", "to_table"],
    "figures": ["cut_face", "draw_action_units", "draw_au_map", "draw_faces", "draw_frame", "draw_head", "draw_identity", "draw_recognition", "draw_summary", "draw_timeline", "person_colors"],
    "analysis.events": ["add_events", "read_events"],
    "analysis.baseline": ["subtract_baseline"],
    "analysis.alignment": ["align_to_events"],
    "analysis.episodes": ["find_episodes"],
    "analysis.summaries": ["summarize"],
    "analysis.synchrony": ["synchrony"],
    "io.codebook": ["codebook"],
    "io.exchange": ["read_openface", "read_pyfeat", "read_video_annotation"],
    "io.export": ["export"],
    "viewers.detections": ["view_detections"],
    "viewers.timeline": ["view_timeline"],
    "viewers.people": ["view_faces"],
    "viewers.review": ["view_checks"],
    "io.sharing": ["blur_faces", "share_safe"],
    "corpus.manifest": ["check_manifest", "make_manifest", "read_manifest"],
    "corpus.runs": ["corpus_status"],
    "corpus.cluster": ["process_corpus"],
    "corpus.people": ["recognize_corpus", "view_corpus_faces"],
    "citing": ["cite", "methods"],
    "corpus.gather": ["apply_ratings", "gather", "open_corpus"],
    "cli": ["cli"],
}
_RENAMED = {"list_odd_frames": "flag_frames", "list_stretches": "list_intervals"}  # until version 0.3
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
_MODULES = sorted({"compute", "faces", "files", "intervals", "report", *(module.split(".")[0] for module in _HOME)})
__all__ = [*_MODULE_OF, "__version__"]


def __getattr__(name):
    "Import the module that holds `name` when it is first asked for, so that `import mexca_video` stays quick."
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    if _RENAMED.get(name) in _MODULE_OF:
        warnings.warn(f"{__name__}.{name} is now called {_RENAMED[name]}; the old name goes with version 0.3", FutureWarning, stacklevel=2)
        return __getattr__(_RENAMED[name])
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, *_MODULES})
