"""Options of every part, gathered from the project file and the environment, which nothing else reads."""
