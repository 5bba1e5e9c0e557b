"""Why a detector decided: saliency maps and neurons."""
