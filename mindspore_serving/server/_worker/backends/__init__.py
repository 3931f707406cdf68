"""The engines that run models, one file each; only that file imports the engine."""
