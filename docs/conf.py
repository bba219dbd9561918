"""How Sphinx makes the site. tools/docs.py puts the pages together, copies this file beside them and calls Sphinx."""
project = "mexca_video"  # the version comes from tools/docs.py
author = copyright = "the mexca_video authors"

extensions = ["myst_nb"]
nb_execution_mode = "off"  # the outputs that the notebooks keep are shown
nb_ipywidgets_js = {}  # no widget state is kept, and nothing may come from elsewhere
nb_merge_streams = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["mystnb.unknown_mime_type", "config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "mexca_video"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a summary is fetched from a server; without, the search works from a folder too
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "search_bar_text": "Search, for example AU12",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_sidebars = {"index": [], "changelog": [], "contributing": [], "search": []}
add_module_names = False
maximum_signature_line_length = 70
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
