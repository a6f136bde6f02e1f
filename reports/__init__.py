"""Results as tables, plots and one HTML page. Reads finished results; computes nothing."""
