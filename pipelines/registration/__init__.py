"""How a model of an engineer's comes in: received, quarantined, judged, tried, described, registered as a draft.

What a stranger sent is only ever opened in a process of its own behind a fence (`cage`): no network, no other program,
no file to write. Inside it is unpacked, every file is judged by its content, other forms are converted to ONNX, and the
result is tried. Outside, by our own hand, the artefact is sealed, the card is filled with what is known, and the
verdict is told: the same on a laptop (`aichung publish --dry-run`) as on the platform.

What does not belong here: who may approve or release (registry), and HTTP (services).
"""
