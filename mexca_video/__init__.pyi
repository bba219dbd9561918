"""Made from `_HOME` in __init__.py by `make readme`."""

from . import citing as citing
from . import cli as cli
from . import extraction as extraction
from . import figures as figures
from . import io as io
from . import models as models
from . import people as people
from . import review as review
from . import samples as samples
from . import schema as schema
from . import video as video
from . import viewers as viewers
from .citing import cite as cite
from .cli import cli as cli
from .extraction.doubts import describe_doubts as describe_doubts
from .extraction.extractor import FaceExtractor as FaceExtractor
from .figures import (
    cut_face as cut_face,
    draw_action_units as draw_action_units,
    draw_au_map as draw_au_map,
    draw_faces as draw_faces,
    draw_frame as draw_frame,
    draw_identity as draw_identity,
    draw_summary as draw_summary,
    draw_timeline as draw_timeline,
    person_colors as person_colors,
)
from .io.netcdf import load as load, save as save, to_csv as to_csv, to_table as to_table
from .io.sharing import blur_faces as blur_faces, share_safe as share_safe
from .models.registry import fetch_model as fetch_model, model_table as model_table
from .people.identification import NotEnoughFacesError as NotEnoughFacesError
from .review.corrections import (
    assign_face as assign_face,
    assign_track as assign_track,
    merge_faces as merge_faces,
    rename_faces as rename_faces,
    replay_history as replay_history,
    split_faces as split_faces,
    suggest_split as suggest_split,
    swap_faces as swap_faces,
    unassign_faces as unassign_faces,
)
from .review.validation import (
    list_odd_frames as list_odd_frames,
    load_checks as load_checks,
    sample_checks as sample_checks,
    save_checks as save_checks,
    score_checks as score_checks,
    wilson_interval as wilson_interval,
)
from .samples import (
    sample_clip as sample_clip,
    sample_image as sample_image,
    sample_path as sample_path,
    sample_truth as sample_truth,
)
from .schema import (
    AU_NAMES as AU_NAMES,
    EMPTY_VALUE as EMPTY_VALUE,
    STATUS as STATUS,
    check_features as check_features,
    demo_features as demo_features,
)
from .video import FrameError as FrameError, VideoDataset as VideoDataset
from .viewers.base import (
    view_checks as view_checks,
    view_detections as view_detections,
    view_faces as view_faces,
    view_timeline as view_timeline,
)

__version__: str
