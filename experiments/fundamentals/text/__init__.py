"""What the page says of each lesson: `tell(numbers)`, text, formulas, figures and sliders, from the numbers alone."""
