"""What settings of methods were called in version 0.1: old name -> new."""

SETTINGS = {
    "hold": "kl_joint",
    "insist": "reweight_rounds",
    "reword": "model_paraphrases",
    "settle": "joint_steps",
    "swap": "preserve_swapped",
}
