"""The report as one HTML page that needs no network: ``render.render_report`` makes it from the report's document."""
