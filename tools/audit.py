"""What is installed, under which licence, does it fit together, and is anything known against it? `make audit` prints it.

The last question needs a service: pip-audit asks PyPI. Where that does not answer for every package, this says so, and that no such check was made.
"""
import json
import re
import subprocess
import sys
import sysconfig
from importlib import metadata


def name_of(requirement): return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-").replace(".", "-")


def runtime(package="mexca_video"):
    "Distributions that `package` needs to run, itself excluded, as far as they are installed."
    from packaging.requirements import Requirement

    waiting, found = list(metadata.requires(package) or []), {}
    while waiting:
        requirement = Requirement(waiting.pop())
        name = name_of(requirement.name)
        if name in found or requirement.marker and not requirement.marker.evaluate({"extra": ""}): continue
        try: found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError: continue
        waiting += found[name].requires or []
    return dict(sorted(found.items()))


def licence(distribution):
    "The licence that a distribution states: in its metadata, else in the first line of its licence file."
    data = distribution.metadata
    classifiers = [line.split(" :: ")[-1] for line in data.get_all("Classifier") or [] if line.startswith("License :: ") and line.count(" :: ") > 1]
    stated = data.get("License-Expression") or ", ".join(classifiers) or data.get("License") or licence_file(distribution)
    return next((line.strip()[:60] for line in stated.splitlines() if line.strip()), "not stated")


def licence_file(distribution):
    for name in distribution.metadata.get_all("License-File") or []:
        for folder in ("", "licenses/"):
            try: text = distribution.read_text(folder + name)
            except UnicodeDecodeError: continue
            if text: return text
    return ""


def ask_pip_audit(found):
    "What pip-audit says: (number of packages that were checked, lines about those with something known, why others were not checked)."
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--path", sysconfig.get_paths()["purelib"]]
    try: done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired: return 0, [], "pip-audit did not end within ten minutes"
    try: answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError): return 0, [], (done.stderr.strip().splitlines() or ["pip-audit gave no answer"])[-1][:200]
    answers = [answer for answer in answers if name_of(answer["name"]) in found]
    checked = [answer for answer in answers if "vulns" in answer]
    known = [f"{answer['name']} {answer['version']}: {', '.join(v['id'] for v in answer['vulns'])}" for answer in checked if answer["vulns"]]
    skipped = [answer for answer in answers if "vulns" not in answer]
    return len(checked), known, f"{skipped[0]['name']}: {skipped[0]['skip_reason']}" if skipped else ""


def main():
    found = runtime()
    width = max(map(len, found))
    for name, distribution in found.items(): print(f"{name:{width}}  {distribution.version:16}  {licence(distribution)}")
    fits = subprocess.run([sys.executable, "-m", "pip", "check", "--disable-pip-version-check"], capture_output=True, text=True)
    print(f"\n{len(found)} packages. pip check: {(fits.stdout or fits.stderr).strip()}")
    checked, known, why = ask_pip_audit(found)
    if checked == len(found): print(f"pip-audit checked all of them. Known: {'; '.join(known) or 'nothing'}")
    elif checked: print(f"pip-audit checked {checked} of {len(found)} only ({why}). Known among those: {'; '.join(known) or 'nothing'}")
    else: print(f"NO CHECK FOR KNOWN VULNERABILITIES WAS MADE: {why}\nMake one where the service can be reached: make audit")
    return int(bool(known) or fits.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
