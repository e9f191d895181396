"""LangChain's components in plait, and plait's in LangChain; loads langchain-core when one of them is first met."""

from plait.providers.langchain.bridge import from_langchain, to_langchain
from plait.providers.langchain.models import ChatLangChain, LangChainLLM
from plait.providers.langchain.nodes import LangChainParser, LangChainPrompt, LangChainRunnable
from plait.providers.langchain.retrieval import LangChainEmbeddings, LangChainRetriever
from plait.providers.langchain.stores import LangChainVectorStore
from plait.providers.langchain.tools import LangChainTool

__all__ = [
    "ChatLangChain",
    "LangChainEmbeddings",
    "LangChainLLM",
    "LangChainParser",
    "LangChainPrompt",
    "LangChainRetriever",
    "LangChainRunnable",
    "LangChainTool",
    "LangChainVectorStore",
    "from_langchain",
    "to_langchain",
]
