"""The parts of the report's pages: HTML that needs no other file and sends no request."""
