"""What the API reads and writes in the database; the only place here that knows SQLAlchemy."""

from sqlalchemy.orm import Session

__all__ = ["Session"]
