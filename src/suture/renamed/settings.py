"""What settings of methods, and labels of judges, were called in version 0.1: old name -> new."""

SETTINGS = {
    "hold": "kl_joint",
    "insist": "reweight_rounds",
    "reword": "model_paraphrases",
    "settle": "joint_steps",
    "swap": "preserve_swapped",
}

LABELS = {"neither": "broken"}  # where a judge has the new label and not the old one
