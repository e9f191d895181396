"""The exceptions of plait: what they keep."""

from __future__ import annotations

import pickle

import pytest

from plait import OutputParserException


def test_parser_exception_keeps_what_it_is_about() -> None:
    """The output of the model, and what it may be told, are kept, also in another process."""
    error = OutputParserException("bad", observation="no JSON", llm_output="text", send_to_llm=True)

    for kept in (error, pickle.loads(pickle.dumps(error))):
        assert (str(kept), kept.observation, kept.llm_output, kept.send_to_llm) == ("bad", "no JSON", "text", True)


def test_parser_exception_for_a_model_has_something_to_tell() -> None:
    """What is to be sent to a model needs both halves."""
    with pytest.raises(ValueError, match="observation"):
        OutputParserException("bad", send_to_llm=True)
