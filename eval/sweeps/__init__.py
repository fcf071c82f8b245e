"""The tables of experiments that are sweeps, one file each: Hydra calls them at the end, and each is a command.

faithfulness    what a citation follows, also after documents were left out, planted, or edited
pretraining     what documents and their order do to a model
answering       how surely and how rightly it answers
"""
