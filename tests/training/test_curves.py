"""Curves read back to the same numbers, and are drawn."""

from io import BytesIO

from PIL import Image

from a2pipe.training.curves import FILE, Curves, _figure, csv_bytes, plot_bytes, read_rows


def test_rows_read_back_to_the_same_bits(tmp_path):
    curves = Curves(tmp_path)
    curves.add(0, {"accuracy": 1 / 3})
    curves.add(5, {"train_loss": 0.1 + 0.2, "accuracy": 0.5})
    again = Curves(tmp_path)
    assert again.rows == curves.rows
    assert again.has(5)
    assert not again.has(4)
    again.rewind(0)
    again.add(5, {"train_loss": 0.1 + 0.2, "accuracy": 0.5})
    assert (tmp_path / FILE).read_bytes() == csv_bytes(curves.rows)


def test_there_are_no_rows_without_a_file(tmp_path):
    assert read_rows(tmp_path / FILE) == []


def test_a_plot_has_a_panel_for_each_number():
    rows = [{"step": 0, "a": 1.0}, {"step": 1, "a": 2.0, "b": 1.0, "c": 0.0, "d": 3.0}]
    one, two = plot_bytes({"x": rows}), plot_bytes({"x": rows, "y": rows[:1]})
    for content in (one, two):
        image = Image.open(BytesIO(content))
        image.load()
        assert image.width > image.height
    assert plot_bytes({"x": rows}) == one


def test_panels_are_titled_in_words_and_no_tick_hides_one():
    rows = [{"step": 0, "norm_q99": 5.6561}, {"step": 5, "norm_q99": 5.6562}]
    names = ["norm_q99", "pib_cls", "accuracy_highest_50", "train_loss"]
    figure = _figure({"x": rows}, names)
    figure.canvas.draw()
    panels = figure.axes[: len(names)]
    assert [axes.get_title() for axes in panels] == [
        "0.99 quantile of norms",
        "Point-in-Box by score to CLS",
        "accuracy, highest 50 % masked",
        "train loss",
    ]
    assert panels[0].yaxis.get_offset_text().get_text() == ""
