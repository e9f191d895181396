"""Those who watch runs, and how they are told; each module is loaded when somebody first watches in its way."""
