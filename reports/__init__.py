"""Reports show finished results as tables, plots and one HTML page; they compute nothing."""
