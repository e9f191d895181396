"""Documents: pieces of text with what is known about them, and steps that change or choose them."""

from plait.documents.compressors import BaseDocumentCompressor, DocumentCompressorPipeline
from plait.documents.document import Document
from plait.documents.transformers import BaseDocumentTransformer, LongContextReorder

__all__ = [
    "BaseDocumentCompressor",
    "BaseDocumentTransformer",
    "Document",
    "DocumentCompressorPipeline",
    "LongContextReorder",
]
