"""Made from `_HOME` in __init__.py by `make readme`."""

from . import analysis as analysis
from . import citing as citing
from . import cli as cli
from . import compute as compute
from . import corpus as corpus
from . import extraction as extraction
from . import faces as faces
from . import figures as figures
from . import files as files
from . import intervals as intervals
from . import io as io
from . import models as models
from . import people as people
from . import report as report
from . import review as review
from . import samples as samples
from . import schema as schema
from . import validators as validators
from . import video as video
from . import viewers as viewers
from .analysis.alignment import align_to_events as align_to_events
from .analysis.baseline import subtract_baseline as subtract_baseline
from .analysis.episodes import find_episodes as find_episodes
from .analysis.events import add_events as add_events, read_events as read_events
from .analysis.summaries import summarize as summarize
from .analysis.synchrony import synchrony as synchrony
from .citing import cite as cite, methods as methods
from .cli import cli as cli
from .corpus.cluster import process_corpus as process_corpus
from .corpus.gather import apply_ratings as apply_ratings, gather as gather, open_corpus as open_corpus
from .corpus.manifest import (
    check_manifest as check_manifest,
    make_manifest as make_manifest,
    read_manifest as read_manifest,
)
from .corpus.people import recognize_corpus as recognize_corpus, view_corpus_faces as view_corpus_faces
from .corpus.runs import corpus_status as corpus_status
from .extraction.doubts import describe_doubts as describe_doubts
from .extraction.extractor import FaceExtractor as FaceExtractor
from .faces.eyes import gaze_in_camera as gaze_in_camera
from .figures import (
    cut_face as cut_face,
    draw_action_units as draw_action_units,
    draw_au_map as draw_au_map,
    draw_faces as draw_faces,
    draw_frame as draw_frame,
    draw_head as draw_head,
    draw_identity as draw_identity,
    draw_recognition as draw_recognition,
    draw_summary as draw_summary,
    draw_timeline as draw_timeline,
    person_colors as person_colors,
)
from .io.codebook import codebook as codebook
from .io.exchange import (
    read_openface as read_openface,
    read_pyfeat as read_pyfeat,
    read_video_annotation as read_video_annotation,
)
from .io.export import export as export
from .io.netcdf import load as load, save as save
from .io.sharing import blur_faces as blur_faces, share_safe as share_safe
from .io.tables import to_csv as to_csv, to_table as to_table
from .models.fetch import fetch_model as fetch_model
from .models.registry import model_table as model_table
from .people.gallery import make_gallery as make_gallery, measure_recognition as measure_recognition
from .people.identification import NotEnoughFacesError as NotEnoughFacesError
from .review.corrections import (
    assign_face as assign_face,
    assign_track as assign_track,
    exclude_faces as exclude_faces,
    merge_faces as merge_faces,
    rename_faces as rename_faces,
    replay_history as replay_history,
    split_faces as split_faces,
    suggest_split as suggest_split,
    swap_faces as swap_faces,
    unassign_faces as unassign_faces,
)
from .review.flags import count_flags as count_flags, flag_faces as flag_faces
from .review.recognition import load_gallery as load_gallery, recognize as recognize, save_gallery as save_gallery
from .review.validation import (
    flag_frames as flag_frames,
    load_checks as load_checks,
    sample_checks as sample_checks,
    save_checks as save_checks,
    score_checks as score_checks,
    wilson_interval as wilson_interval,
)
from .samples import (
    demo_features as demo_features,
    sample_clip as sample_clip,
    sample_image as sample_image,
    sample_path as sample_path,
    sample_truth as sample_truth,
)
from .schema import AU_NAMES as AU_NAMES, EMPTY_VALUE as EMPTY_VALUE, STATUS as STATUS
from .validators import check_features as check_features
from .video import FrameError as FrameError, VideoDataset as VideoDataset
from .viewers.detections import view_detections as view_detections
from .viewers.people import view_faces as view_faces
from .viewers.review import view_checks as view_checks
from .viewers.timeline import view_timeline as view_timeline

__version__: str
