"""plait: chains of prompts, models, parsers and functions, joined with ``|``.

Every public name can be had from here, and is loaded when it is first asked for: ``import plait`` alone loads neither
pydantic nor anything that talks to a network.
"""

from __future__ import annotations

from os import environ as _environ
from typing import TYPE_CHECKING, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from plait.caches import BaseCache as BaseCache
    from plait.caches import InMemoryCache as InMemoryCache
    from plait.caches import SQLiteCache as SQLiteCache
    from plait.caches import get_llm_cache as get_llm_cache
    from plait.caches import set_llm_cache as set_llm_cache
    from plait.callbacks import AsyncCallbackHandler as AsyncCallbackHandler
    from plait.callbacks import AsyncCallbackManagerForChainRun as AsyncCallbackManagerForChainRun
    from plait.callbacks import AsyncCallbackManagerForLLMRun as AsyncCallbackManagerForLLMRun
    from plait.callbacks import AsyncCallbackManagerForRetrieverRun as AsyncCallbackManagerForRetrieverRun
    from plait.callbacks import AsyncCallbackManagerForToolRun as AsyncCallbackManagerForToolRun
    from plait.callbacks import BaseCallbackHandler as BaseCallbackHandler
    from plait.callbacks import CallbackManagerForChainRun as CallbackManagerForChainRun
    from plait.callbacks import CallbackManagerForLLMRun as CallbackManagerForLLMRun
    from plait.callbacks import CallbackManagerForRetrieverRun as CallbackManagerForRetrieverRun
    from plait.callbacks import CallbackManagerForToolRun as CallbackManagerForToolRun
    from plait.callbacks import Callbacks as Callbacks
    from plait.callbacks import RunManager as RunManager
    from plait.callbacks import StdOutCallbackHandler as StdOutCallbackHandler
    from plait.callbacks import StreamingStdOutCallbackHandler as StreamingStdOutCallbackHandler
    from plait.callbacks import UsageMetadataCallbackHandler as UsageMetadataCallbackHandler
    from plait.callbacks import adispatch_custom_event as adispatch_custom_event
    from plait.callbacks import dispatch_custom_event as dispatch_custom_event
    from plait.callbacks import get_usage_metadata_callback as get_usage_metadata_callback
    from plait.chat_history import BaseChatMessageHistory as BaseChatMessageHistory
    from plait.chat_history import InMemoryChatMessageHistory as InMemoryChatMessageHistory
    from plait.chat_history import PostgresChatMessageHistory as PostgresChatMessageHistory
    from plait.chat_history import RunnableWithMessageHistory as RunnableWithMessageHistory
    from plait.chat_history import SQLiteChatMessageHistory as SQLiteChatMessageHistory
    from plait.documents import BaseDocumentCompressor as BaseDocumentCompressor
    from plait.documents import BaseDocumentTransformer as BaseDocumentTransformer
    from plait.documents import Document as Document
    from plait.documents import DocumentCompressorPipeline as DocumentCompressorPipeline
    from plait.documents import LongContextReorder as LongContextReorder
    from plait.embeddings import CacheBackedEmbeddings as CacheBackedEmbeddings
    from plait.embeddings import DeterministicFakeEmbedding as DeterministicFakeEmbedding
    from plait.embeddings import Embeddings as Embeddings
    from plait.embeddings import FakeEmbeddings as FakeEmbeddings
    from plait.embeddings import batches as batches
    from plait.errors import ChainError as ChainError
    from plait.errors import ConfigError as ConfigError
    from plait.errors import DeadlineError as DeadlineError
    from plait.errors import EmptyStreamError as EmptyStreamError
    from plait.errors import HistoryError as HistoryError
    from plait.errors import LoadError as LoadError
    from plait.errors import LocalModelError as LocalModelError
    from plait.errors import MessageError as MessageError
    from plait.errors import MissingExtraError as MissingExtraError
    from plait.errors import MissingKeyError as MissingKeyError
    from plait.errors import MissingVariableError as MissingVariableError
    from plait.errors import ModelConnectionError as ModelConnectionError
    from plait.errors import ModelError as ModelError
    from plait.errors import OutputParserException as OutputParserException
    from plait.errors import PlaitError as PlaitError
    from plait.errors import PromptError as PromptError
    from plait.errors import RecursionLimitError as RecursionLimitError
    from plait.errors import StandstillError as StandstillError
    from plait.errors import StoreError as StoreError
    from plait.errors import ToolException as ToolException
    from plait.errors import ToolInputError as ToolInputError
    from plait.example_selectors import BaseExampleSelector as BaseExampleSelector
    from plait.example_selectors import ExampleStore as ExampleStore
    from plait.example_selectors import LengthBasedExampleSelector as LengthBasedExampleSelector
    from plait.example_selectors import MaxMarginalRelevanceExampleSelector as MaxMarginalRelevanceExampleSelector
    from plait.example_selectors import SemanticSimilarityExampleSelector as SemanticSimilarityExampleSelector
    from plait.graphs import Edge as Edge
    from plait.graphs import Graph as Graph
    from plait.graphs import Node as Node
    from plait.language_models import LLM as LLM
    from plait.language_models import BaseChatModel as BaseChatModel
    from plait.language_models import BaseLanguageModel as BaseLanguageModel
    from plait.language_models import BaseLLM as BaseLLM
    from plait.language_models import EchoChatModel as EchoChatModel
    from plait.language_models import FakeChatModel as FakeChatModel
    from plait.language_models import FakeListChatModel as FakeListChatModel
    from plait.language_models import FakeListLLM as FakeListLLM
    from plait.language_models import FakeMessagesListChatModel as FakeMessagesListChatModel
    from plait.language_models import FakeStreamingListLLM as FakeStreamingListLLM
    from plait.language_models import GenericFakeChatModel as GenericFakeChatModel
    from plait.language_models import LanguageModelInput as LanguageModelInput
    from plait.language_models import LanguageModelLike as LanguageModelLike
    from plait.language_models import LanguageModelOutput as LanguageModelOutput
    from plait.language_models import ParrotFakeChatModel as ParrotFakeChatModel
    from plait.language_models import SimpleChatModel as SimpleChatModel
    from plait.load import dumpd as dumpd
    from plait.load import dumps as dumps
    from plait.load import loads as loads
    from plait.merging import EVERY_KEY as EVERY_KEY
    from plait.merging import StreamReset as StreamReset
    from plait.merging import merge as merge
    from plait.merging import merge_all as merge_all
    from plait.messages import MESSAGE_CHUNKS as MESSAGE_CHUNKS
    from plait.messages import MESSAGES as MESSAGES
    from plait.messages import AIMessage as AIMessage
    from plait.messages import AIMessageChunk as AIMessageChunk
    from plait.messages import AnyMessage as AnyMessage
    from plait.messages import BaseMessage as BaseMessage
    from plait.messages import BaseMessageChunk as BaseMessageChunk
    from plait.messages import ChatMessage as ChatMessage
    from plait.messages import ChatMessageChunk as ChatMessageChunk
    from plait.messages import Content as Content
    from plait.messages import ContentBlock as ContentBlock
    from plait.messages import FunctionMessage as FunctionMessage
    from plait.messages import FunctionMessageChunk as FunctionMessageChunk
    from plait.messages import HumanMessage as HumanMessage
    from plait.messages import HumanMessageChunk as HumanMessageChunk
    from plait.messages import ImageContentBlock as ImageContentBlock
    from plait.messages import InputTokenDetails as InputTokenDetails
    from plait.messages import InvalidToolCall as InvalidToolCall
    from plait.messages import MessageLikeRepresentation as MessageLikeRepresentation
    from plait.messages import NonStandardContentBlock as NonStandardContentBlock
    from plait.messages import OutputTokenDetails as OutputTokenDetails
    from plait.messages import SystemMessage as SystemMessage
    from plait.messages import SystemMessageChunk as SystemMessageChunk
    from plait.messages import TextContentBlock as TextContentBlock
    from plait.messages import ToolCall as ToolCall
    from plait.messages import ToolCallChunk as ToolCallChunk
    from plait.messages import ToolMessage as ToolMessage
    from plait.messages import ToolMessageChunk as ToolMessageChunk
    from plait.messages import UsageMetadata as UsageMetadata
    from plait.messages import add_usage as add_usage
    from plait.messages import convert_to_messages as convert_to_messages
    from plait.messages import convert_to_openai_messages as convert_to_openai_messages
    from plait.messages import count_tokens_approximately as count_tokens_approximately
    from plait.messages import create_image_block as create_image_block
    from plait.messages import create_text_block as create_text_block
    from plait.messages import filter_messages as filter_messages
    from plait.messages import get_buffer_string as get_buffer_string
    from plait.messages import invalid_tool_call as invalid_tool_call
    from plait.messages import merge_message_runs as merge_message_runs
    from plait.messages import message_chunk_to_message as message_chunk_to_message
    from plait.messages import message_to_dict as message_to_dict
    from plait.messages import messages_from_dict as messages_from_dict
    from plait.messages import messages_to_dict as messages_to_dict
    from plait.messages import tool_call as tool_call
    from plait.messages import tool_call_chunk as tool_call_chunk
    from plait.messages import trim_messages as trim_messages
    from plait.output_parsers import BaseCumulativeTransformOutputParser as BaseCumulativeTransformOutputParser
    from plait.output_parsers import BaseGenerationOutputParser as BaseGenerationOutputParser
    from plait.output_parsers import BaseOutputParser as BaseOutputParser
    from plait.output_parsers import BaseTransformOutputParser as BaseTransformOutputParser
    from plait.output_parsers import BooleanOutputParser as BooleanOutputParser
    from plait.output_parsers import CommaSeparatedListOutputParser as CommaSeparatedListOutputParser
    from plait.output_parsers import DatetimeOutputParser as DatetimeOutputParser
    from plait.output_parsers import EnumOutputParser as EnumOutputParser
    from plait.output_parsers import JsonKeyOutputFunctionsParser as JsonKeyOutputFunctionsParser
    from plait.output_parsers import JsonOutputFunctionsParser as JsonOutputFunctionsParser
    from plait.output_parsers import JsonOutputKeyToolsParser as JsonOutputKeyToolsParser
    from plait.output_parsers import JsonOutputParser as JsonOutputParser
    from plait.output_parsers import JsonOutputToolsParser as JsonOutputToolsParser
    from plait.output_parsers import ListOutputParser as ListOutputParser
    from plait.output_parsers import MarkdownListOutputParser as MarkdownListOutputParser
    from plait.output_parsers import NumberedListOutputParser as NumberedListOutputParser
    from plait.output_parsers import OutputFixingParser as OutputFixingParser
    from plait.output_parsers import PydanticOutputFunctionsParser as PydanticOutputFunctionsParser
    from plait.output_parsers import PydanticOutputParser as PydanticOutputParser
    from plait.output_parsers import PydanticToolsParser as PydanticToolsParser
    from plait.output_parsers import RetryOutputParser as RetryOutputParser
    from plait.output_parsers import RetryWithErrorOutputParser as RetryWithErrorOutputParser
    from plait.output_parsers import SimpleJsonOutputParser as SimpleJsonOutputParser
    from plait.output_parsers import StrOutputParser as StrOutputParser
    from plait.output_parsers import XMLOutputParser as XMLOutputParser
    from plait.outputs import ChatGeneration as ChatGeneration
    from plait.outputs import ChatGenerationChunk as ChatGenerationChunk
    from plait.outputs import ChatResult as ChatResult
    from plait.outputs import Generation as Generation
    from plait.outputs import GenerationChunk as GenerationChunk
    from plait.outputs import LLMResult as LLMResult
    from plait.prompt_values import ChatPromptValue as ChatPromptValue
    from plait.prompt_values import PromptValue as PromptValue
    from plait.prompt_values import StringPromptValue as StringPromptValue
    from plait.prompts import AIMessagePromptTemplate as AIMessagePromptTemplate
    from plait.prompts import BaseChatPromptTemplate as BaseChatPromptTemplate
    from plait.prompts import BaseMessagePromptTemplate as BaseMessagePromptTemplate
    from plait.prompts import BasePromptTemplate as BasePromptTemplate
    from plait.prompts import BaseStringMessagePromptTemplate as BaseStringMessagePromptTemplate
    from plait.prompts import ChatMessagePromptTemplate as ChatMessagePromptTemplate
    from plait.prompts import ChatPromptTemplate as ChatPromptTemplate
    from plait.prompts import ExampleSelector as ExampleSelector
    from plait.prompts import FewShotChatMessagePromptTemplate as FewShotChatMessagePromptTemplate
    from plait.prompts import FewShotPromptTemplate as FewShotPromptTemplate
    from plait.prompts import HumanMessagePromptTemplate as HumanMessagePromptTemplate
    from plait.prompts import MessagesPlaceholder as MessagesPlaceholder
    from plait.prompts import PromptTemplate as PromptTemplate
    from plait.prompts import StringPromptTemplate as StringPromptTemplate
    from plait.prompts import SystemMessagePromptTemplate as SystemMessagePromptTemplate
    from plait.prompts import aformat_document as aformat_document
    from plait.prompts import format_document as format_document
    from plait.prompts import load_prompt as load_prompt
    from plait.prompts import load_prompt_from_config as load_prompt_from_config
    from plait.providers import ConfigurableChatModel as ConfigurableChatModel
    from plait.providers import LocalEmbeddings as LocalEmbeddings
    from plait.providers import MCPTools as MCPTools
    from plait.providers import init_chat_model as init_chat_model
    from plait.providers import init_embeddings as init_embeddings
    from plait.providers.anthropic import ChatAnthropic as ChatAnthropic
    from plait.providers.langchain import from_langchain as from_langchain
    from plait.providers.langchain import to_langchain as to_langchain
    from plait.providers.local import ChatLocal as ChatLocal
    from plait.providers.local import LocalServer as LocalServer
    from plait.providers.local import local_server as local_server
    from plait.providers.local import weights as weights
    from plait.providers.openai import ChatOpenAI as ChatOpenAI
    from plait.providers.openai import OpenAI as OpenAI
    from plait.providers.openai import OpenAIEmbeddings as OpenAIEmbeddings
    from plait.rate_limiters import BaseRateLimiter as BaseRateLimiter
    from plait.rate_limiters import InMemoryRateLimiter as InMemoryRateLimiter
    from plait.retrievers import BaseRetriever as BaseRetriever
    from plait.retrievers import BM25Retriever as BM25Retriever
    from plait.retrievers import ContextualCompressionRetriever as ContextualCompressionRetriever
    from plait.retrievers import EmbeddingsFilter as EmbeddingsFilter
    from plait.retrievers import EnsembleRetriever as EnsembleRetriever
    from plait.retrievers import LLMChainExtractor as LLMChainExtractor
    from plait.retrievers import LLMChainFilter as LLMChainFilter
    from plait.retrievers import MultiQueryRetriever as MultiQueryRetriever
    from plait.retrievers import MultiVectorRetriever as MultiVectorRetriever
    from plait.retrievers import ParentDocumentRetriever as ParentDocumentRetriever
    from plait.runnables import ConfigurableField as ConfigurableField
    from plait.runnables import ConfigurableFieldMultiOption as ConfigurableFieldMultiOption
    from plait.runnables import ConfigurableFieldSingleOption as ConfigurableFieldSingleOption
    from plait.runnables import ConfigurableFieldSpec as ConfigurableFieldSpec
    from plait.runnables import RouterRunnable as RouterRunnable
    from plait.runnables import Runnable as Runnable
    from plait.runnables import RunnableAssign as RunnableAssign
    from plait.runnables import RunnableBinding as RunnableBinding
    from plait.runnables import RunnableBranch as RunnableBranch
    from plait.runnables import RunnableConfig as RunnableConfig
    from plait.runnables import RunnableConfigurableAlternatives as RunnableConfigurableAlternatives
    from plait.runnables import RunnableConfigurableFields as RunnableConfigurableFields
    from plait.runnables import RunnableEach as RunnableEach
    from plait.runnables import RunnableGenerator as RunnableGenerator
    from plait.runnables import RunnableLambda as RunnableLambda
    from plait.runnables import RunnableMap as RunnableMap
    from plait.runnables import RunnableParallel as RunnableParallel
    from plait.runnables import RunnablePassthrough as RunnablePassthrough
    from plait.runnables import RunnablePick as RunnablePick
    from plait.runnables import RunnableRetry as RunnableRetry
    from plait.runnables import RunnableSequence as RunnableSequence
    from plait.runnables import RunnableSerializable as RunnableSerializable
    from plait.runnables import RunnableWithFallbacks as RunnableWithFallbacks
    from plait.runnables import chain as chain
    from plait.runnables import coerce_to_runnable as coerce_to_runnable
    from plait.runnables import current_config as current_config
    from plait.runnables import ensure_config as ensure_config
    from plait.runnables import merge_configs as merge_configs
    from plait.runnables import patch_config as patch_config
    from plait.runnables import run_in_executor as run_in_executor
    from plait.stores import BaseStore as BaseStore
    from plait.stores import ByteStore as ByteStore
    from plait.stores import EncoderBackedStore as EncoderBackedStore
    from plait.stores import InMemoryBaseStore as InMemoryBaseStore
    from plait.stores import InMemoryByteStore as InMemoryByteStore
    from plait.stores import InMemoryStore as InMemoryStore
    from plait.stores import LocalFileStore as LocalFileStore
    from plait.stores import create_kv_docstore as create_kv_docstore
    from plait.stream_plan import StreamReport as StreamReport
    from plait.testing import ASYNC_MODES as ASYNC_MODES
    from plait.testing import EMBEDDING_LAWS as EMBEDDING_LAWS
    from plait.testing import LAWS as LAWS
    from plait.testing import OUTPUT_PARSER_LAWS as OUTPUT_PARSER_LAWS
    from plait.testing import RETRIEVER_LAWS as RETRIEVER_LAWS
    from plait.testing import STORE_LAWS as STORE_LAWS
    from plait.testing import SYNC_MODES as SYNC_MODES
    from plait.testing import TOOL_LAWS as TOOL_LAWS
    from plait.testing import Call as Call
    from plait.testing import ConformanceError as ConformanceError
    from plait.testing import Fails as Fails
    from plait.testing import FakeListChatModelError as FakeListChatModelError
    from plait.testing import FakeListLLMError as FakeListLLMError
    from plait.testing import Finding as Finding
    from plait.testing import Hangs as Hangs
    from plait.testing import Slow as Slow
    from plait.testing import VirtualClock as VirtualClock
    from plait.testing import acheck_embeddings as acheck_embeddings
    from plait.testing import acheck_output_parser as acheck_output_parser
    from plait.testing import acheck_retriever as acheck_retriever
    from plait.testing import acheck_runnable as acheck_runnable
    from plait.testing import acheck_store as acheck_store
    from plait.testing import acheck_tool as acheck_tool
    from plait.testing import check_embeddings as check_embeddings
    from plait.testing import check_output_parser as check_output_parser
    from plait.testing import check_retriever as check_retriever
    from plait.testing import check_runnable as check_runnable
    from plait.testing import check_store as check_store
    from plait.testing import check_tool as check_tool
    from plait.text_splitters import CharacterTextSplitter as CharacterTextSplitter
    from plait.text_splitters import Language as Language
    from plait.text_splitters import MarkdownHeaderTextSplitter as MarkdownHeaderTextSplitter
    from plait.text_splitters import MarkdownTextSplitter as MarkdownTextSplitter
    from plait.text_splitters import PythonCodeTextSplitter as PythonCodeTextSplitter
    from plait.text_splitters import RecursiveCharacterTextSplitter as RecursiveCharacterTextSplitter
    from plait.text_splitters import TextSplitter as TextSplitter
    from plait.text_splitters import TokenTextSplitter as TokenTextSplitter
    from plait.tools import BaseTool as BaseTool
    from plait.tools import BaseToolkit as BaseToolkit
    from plait.tools import InjectedToolArg as InjectedToolArg
    from plait.tools import InjectedToolCallId as InjectedToolCallId
    from plait.tools import RunnableTool as RunnableTool
    from plait.tools import StructuredTool as StructuredTool
    from plait.tools import Tool as Tool
    from plait.tools import ToolNode as ToolNode
    from plait.tools import as_tool as as_tool
    from plait.tools import convert_to_openai_function as convert_to_openai_function
    from plait.tools import convert_to_openai_tool as convert_to_openai_tool
    from plait.tools import create_retriever_tool as create_retriever_tool
    from plait.tools import render_text_description as render_text_description
    from plait.tools import render_text_description_and_args as render_text_description_and_args
    from plait.tools import tool as tool
    from plait.tracers import ConsoleCallbackHandler as ConsoleCallbackHandler
    from plait.tracers import ConsoleTracer as ConsoleTracer
    from plait.tracers import JsonLinesTracer as JsonLinesTracer
    from plait.tracers import OpenTelemetryTracer as OpenTelemetryTracer
    from plait.tracers import get_debug as get_debug
    from plait.tracers import set_debug as set_debug
    from plait.vectorstores import FAISS as FAISS
    from plait.vectorstores import DistanceStrategy as DistanceStrategy
    from plait.vectorstores import InMemoryVectorStore as InMemoryVectorStore
    from plait.vectorstores import PGVector as PGVector
    from plait.vectorstores import VectorStore as VectorStore
    from plait.vectorstores import VectorStoreRetriever as VectorStoreRetriever
    from plait.vectorstores import maximal_marginal_relevance as maximal_marginal_relevance
    from plait.watching.events import CustomStreamEvent as CustomStreamEvent
    from plait.watching.events import StandardStreamEvent as StandardStreamEvent
    from plait.watching.events import StreamEvent as StreamEvent
    from plait.watching.log import LogEntry as LogEntry
    from plait.watching.log import RunLog as RunLog
    from plait.watching.log import RunLogPatch as RunLogPatch
    from plait.watching.log import RunState as RunState

__all__ = [
    "ASYNC_MODES",
    "EMBEDDING_LAWS",
    "EVERY_KEY",
    "FAISS",
    "LAWS",
    "LLM",
    "MESSAGES",
    "MESSAGE_CHUNKS",
    "OUTPUT_PARSER_LAWS",
    "RETRIEVER_LAWS",
    "STORE_LAWS",
    "SYNC_MODES",
    "TOOL_LAWS",
    "AIMessage",
    "AIMessageChunk",
    "AIMessagePromptTemplate",
    "AnyMessage",
    "AsyncCallbackHandler",
    "AsyncCallbackManagerForChainRun",
    "AsyncCallbackManagerForLLMRun",
    "AsyncCallbackManagerForRetrieverRun",
    "AsyncCallbackManagerForToolRun",
    "BM25Retriever",
    "BaseCache",
    "BaseCallbackHandler",
    "BaseChatMessageHistory",
    "BaseChatModel",
    "BaseChatPromptTemplate",
    "BaseCumulativeTransformOutputParser",
    "BaseDocumentCompressor",
    "BaseDocumentTransformer",
    "BaseExampleSelector",
    "BaseGenerationOutputParser",
    "BaseLLM",
    "BaseLanguageModel",
    "BaseMessage",
    "BaseMessageChunk",
    "BaseMessagePromptTemplate",
    "BaseOutputParser",
    "BasePromptTemplate",
    "BaseRateLimiter",
    "BaseRetriever",
    "BaseStore",
    "BaseStringMessagePromptTemplate",
    "BaseTool",
    "BaseToolkit",
    "BaseTransformOutputParser",
    "BooleanOutputParser",
    "ByteStore",
    "CacheBackedEmbeddings",
    "Call",
    "CallbackManagerForChainRun",
    "CallbackManagerForLLMRun",
    "CallbackManagerForRetrieverRun",
    "CallbackManagerForToolRun",
    "Callbacks",
    "ChainError",
    "CharacterTextSplitter",
    "ChatAnthropic",
    "ChatGeneration",
    "ChatGenerationChunk",
    "ChatLocal",
    "ChatMessage",
    "ChatMessageChunk",
    "ChatMessagePromptTemplate",
    "ChatOpenAI",
    "ChatPromptTemplate",
    "ChatPromptValue",
    "ChatResult",
    "CommaSeparatedListOutputParser",
    "ConfigError",
    "ConfigurableChatModel",
    "ConfigurableField",
    "ConfigurableFieldMultiOption",
    "ConfigurableFieldSingleOption",
    "ConfigurableFieldSpec",
    "ConformanceError",
    "ConsoleCallbackHandler",
    "ConsoleTracer",
    "Content",
    "ContentBlock",
    "ContextualCompressionRetriever",
    "CustomStreamEvent",
    "DatetimeOutputParser",
    "DeadlineError",
    "DeterministicFakeEmbedding",
    "DistanceStrategy",
    "Document",
    "DocumentCompressorPipeline",
    "EchoChatModel",
    "Edge",
    "Embeddings",
    "EmbeddingsFilter",
    "EmptyStreamError",
    "EncoderBackedStore",
    "EnsembleRetriever",
    "EnumOutputParser",
    "ExampleSelector",
    "ExampleStore",
    "Fails",
    "FakeChatModel",
    "FakeEmbeddings",
    "FakeListChatModel",
    "FakeListChatModelError",
    "FakeListLLM",
    "FakeListLLMError",
    "FakeMessagesListChatModel",
    "FakeStreamingListLLM",
    "FewShotChatMessagePromptTemplate",
    "FewShotPromptTemplate",
    "Finding",
    "FunctionMessage",
    "FunctionMessageChunk",
    "Generation",
    "GenerationChunk",
    "GenericFakeChatModel",
    "Graph",
    "Hangs",
    "HistoryError",
    "HumanMessage",
    "HumanMessageChunk",
    "HumanMessagePromptTemplate",
    "ImageContentBlock",
    "InMemoryBaseStore",
    "InMemoryByteStore",
    "InMemoryCache",
    "InMemoryChatMessageHistory",
    "InMemoryRateLimiter",
    "InMemoryStore",
    "InMemoryVectorStore",
    "InjectedToolArg",
    "InjectedToolCallId",
    "InputTokenDetails",
    "InvalidToolCall",
    "JsonKeyOutputFunctionsParser",
    "JsonLinesTracer",
    "JsonOutputFunctionsParser",
    "JsonOutputKeyToolsParser",
    "JsonOutputParser",
    "JsonOutputToolsParser",
    "LLMChainExtractor",
    "LLMChainFilter",
    "LLMResult",
    "Language",
    "LanguageModelInput",
    "LanguageModelLike",
    "LanguageModelOutput",
    "LengthBasedExampleSelector",
    "ListOutputParser",
    "LoadError",
    "LocalEmbeddings",
    "LocalFileStore",
    "LocalModelError",
    "LocalServer",
    "LogEntry",
    "LongContextReorder",
    "MCPTools",
    "MarkdownHeaderTextSplitter",
    "MarkdownListOutputParser",
    "MarkdownTextSplitter",
    "MaxMarginalRelevanceExampleSelector",
    "MessageError",
    "MessageLikeRepresentation",
    "MessagesPlaceholder",
    "MissingExtraError",
    "MissingKeyError",
    "MissingVariableError",
    "ModelConnectionError",
    "ModelError",
    "MultiQueryRetriever",
    "MultiVectorRetriever",
    "Node",
    "NonStandardContentBlock",
    "NumberedListOutputParser",
    "OpenAI",
    "OpenAIEmbeddings",
    "OpenTelemetryTracer",
    "OutputFixingParser",
    "OutputParserException",
    "OutputTokenDetails",
    "PGVector",
    "ParentDocumentRetriever",
    "ParrotFakeChatModel",
    "PlaitError",
    "PostgresChatMessageHistory",
    "PromptError",
    "PromptTemplate",
    "PromptValue",
    "PydanticOutputFunctionsParser",
    "PydanticOutputParser",
    "PydanticToolsParser",
    "PythonCodeTextSplitter",
    "RecursionLimitError",
    "RecursiveCharacterTextSplitter",
    "RetryOutputParser",
    "RetryWithErrorOutputParser",
    "RouterRunnable",
    "RunLog",
    "RunLogPatch",
    "RunManager",
    "RunState",
    "Runnable",
    "RunnableAssign",
    "RunnableBinding",
    "RunnableBranch",
    "RunnableConfig",
    "RunnableConfigurableAlternatives",
    "RunnableConfigurableFields",
    "RunnableEach",
    "RunnableGenerator",
    "RunnableLambda",
    "RunnableMap",
    "RunnableParallel",
    "RunnablePassthrough",
    "RunnablePick",
    "RunnableRetry",
    "RunnableSequence",
    "RunnableSerializable",
    "RunnableTool",
    "RunnableWithFallbacks",
    "RunnableWithMessageHistory",
    "SQLiteCache",
    "SQLiteChatMessageHistory",
    "SemanticSimilarityExampleSelector",
    "SimpleChatModel",
    "SimpleJsonOutputParser",
    "Slow",
    "StandardStreamEvent",
    "StandstillError",
    "StdOutCallbackHandler",
    "StoreError",
    "StrOutputParser",
    "StreamEvent",
    "StreamReport",
    "StreamReset",
    "StreamingStdOutCallbackHandler",
    "StringPromptTemplate",
    "StringPromptValue",
    "StructuredTool",
    "SystemMessage",
    "SystemMessageChunk",
    "SystemMessagePromptTemplate",
    "TextContentBlock",
    "TextSplitter",
    "TokenTextSplitter",
    "Tool",
    "ToolCall",
    "ToolCallChunk",
    "ToolException",
    "ToolInputError",
    "ToolMessage",
    "ToolMessageChunk",
    "ToolNode",
    "UsageMetadata",
    "UsageMetadataCallbackHandler",
    "VectorStore",
    "VectorStoreRetriever",
    "VirtualClock",
    "XMLOutputParser",
    "acheck_embeddings",
    "acheck_output_parser",
    "acheck_retriever",
    "acheck_runnable",
    "acheck_store",
    "acheck_tool",
    "add_usage",
    "adispatch_custom_event",
    "aformat_document",
    "as_tool",
    "batches",
    "chain",
    "check_embeddings",
    "check_output_parser",
    "check_retriever",
    "check_runnable",
    "check_store",
    "check_tool",
    "coerce_to_runnable",
    "convert_to_messages",
    "convert_to_openai_function",
    "convert_to_openai_messages",
    "convert_to_openai_tool",
    "count_tokens_approximately",
    "create_image_block",
    "create_kv_docstore",
    "create_retriever_tool",
    "create_text_block",
    "current_config",
    "dispatch_custom_event",
    "dumpd",
    "dumps",
    "ensure_config",
    "filter_messages",
    "format_document",
    "from_langchain",
    "get_buffer_string",
    "get_debug",
    "get_llm_cache",
    "get_usage_metadata_callback",
    "init_chat_model",
    "init_embeddings",
    "invalid_tool_call",
    "load_prompt",
    "load_prompt_from_config",
    "loads",
    "local_server",
    "maximal_marginal_relevance",
    "merge",
    "merge_all",
    "merge_configs",
    "merge_message_runs",
    "message_chunk_to_message",
    "message_to_dict",
    "messages_from_dict",
    "messages_to_dict",
    "patch_config",
    "render_text_description",
    "render_text_description_and_args",
    "run_in_executor",
    "set_debug",
    "set_llm_cache",
    "to_langchain",
    "tool",
    "tool_call",
    "tool_call_chunk",
    "trim_messages",
    "weights",
]

_MODULES: Final = {
    "plait.caches": ("BaseCache", "InMemoryCache", "SQLiteCache", "get_llm_cache", "set_llm_cache"),
    "plait.callbacks": (
        "AsyncCallbackHandler",
        "AsyncCallbackManagerForChainRun",
        "AsyncCallbackManagerForLLMRun",
        "AsyncCallbackManagerForRetrieverRun",
        "AsyncCallbackManagerForToolRun",
        "BaseCallbackHandler",
        "CallbackManagerForChainRun",
        "CallbackManagerForLLMRun",
        "CallbackManagerForRetrieverRun",
        "CallbackManagerForToolRun",
        "Callbacks",
        "RunManager",
        "StdOutCallbackHandler",
        "StreamingStdOutCallbackHandler",
        "UsageMetadataCallbackHandler",
        "adispatch_custom_event",
        "dispatch_custom_event",
        "get_usage_metadata_callback",
    ),
    "plait.chat_history": (
        "BaseChatMessageHistory",
        "InMemoryChatMessageHistory",
        "PostgresChatMessageHistory",
        "RunnableWithMessageHistory",
        "SQLiteChatMessageHistory",
    ),
    "plait.documents": (
        "BaseDocumentCompressor",
        "BaseDocumentTransformer",
        "Document",
        "DocumentCompressorPipeline",
        "LongContextReorder",
    ),
    "plait.embeddings": (
        "CacheBackedEmbeddings",
        "DeterministicFakeEmbedding",
        "Embeddings",
        "FakeEmbeddings",
        "batches",
    ),
    "plait.errors": (
        "ChainError",
        "ConfigError",
        "DeadlineError",
        "EmptyStreamError",
        "HistoryError",
        "LoadError",
        "LocalModelError",
        "MessageError",
        "MissingExtraError",
        "MissingKeyError",
        "MissingVariableError",
        "ModelConnectionError",
        "ModelError",
        "OutputParserException",
        "PlaitError",
        "PromptError",
        "RecursionLimitError",
        "StandstillError",
        "StoreError",
        "ToolException",
        "ToolInputError",
    ),
    "plait.example_selectors": (
        "BaseExampleSelector",
        "ExampleStore",
        "LengthBasedExampleSelector",
        "MaxMarginalRelevanceExampleSelector",
        "SemanticSimilarityExampleSelector",
    ),
    "plait.graphs": ("Edge", "Graph", "Node"),
    "plait.language_models": (
        "LLM",
        "BaseChatModel",
        "BaseLLM",
        "BaseLanguageModel",
        "EchoChatModel",
        "FakeChatModel",
        "FakeListChatModel",
        "FakeListLLM",
        "FakeMessagesListChatModel",
        "FakeStreamingListLLM",
        "GenericFakeChatModel",
        "LanguageModelInput",
        "LanguageModelLike",
        "LanguageModelOutput",
        "ParrotFakeChatModel",
        "SimpleChatModel",
    ),
    "plait.load": ("dumpd", "dumps", "loads"),
    "plait.merging": ("EVERY_KEY", "StreamReset", "merge", "merge_all"),
    "plait.messages": (
        "MESSAGES",
        "MESSAGE_CHUNKS",
        "AIMessage",
        "AIMessageChunk",
        "AnyMessage",
        "BaseMessage",
        "BaseMessageChunk",
        "ChatMessage",
        "ChatMessageChunk",
        "Content",
        "ContentBlock",
        "FunctionMessage",
        "FunctionMessageChunk",
        "HumanMessage",
        "HumanMessageChunk",
        "ImageContentBlock",
        "InputTokenDetails",
        "InvalidToolCall",
        "MessageLikeRepresentation",
        "NonStandardContentBlock",
        "OutputTokenDetails",
        "SystemMessage",
        "SystemMessageChunk",
        "TextContentBlock",
        "ToolCall",
        "ToolCallChunk",
        "ToolMessage",
        "ToolMessageChunk",
        "UsageMetadata",
        "add_usage",
        "convert_to_messages",
        "convert_to_openai_messages",
        "count_tokens_approximately",
        "create_image_block",
        "create_text_block",
        "filter_messages",
        "get_buffer_string",
        "invalid_tool_call",
        "merge_message_runs",
        "message_chunk_to_message",
        "message_to_dict",
        "messages_from_dict",
        "messages_to_dict",
        "tool_call",
        "tool_call_chunk",
        "trim_messages",
    ),
    "plait.output_parsers": (
        "BaseCumulativeTransformOutputParser",
        "BaseGenerationOutputParser",
        "BaseOutputParser",
        "BaseTransformOutputParser",
        "BooleanOutputParser",
        "CommaSeparatedListOutputParser",
        "DatetimeOutputParser",
        "EnumOutputParser",
        "JsonKeyOutputFunctionsParser",
        "JsonOutputFunctionsParser",
        "JsonOutputKeyToolsParser",
        "JsonOutputParser",
        "JsonOutputToolsParser",
        "ListOutputParser",
        "MarkdownListOutputParser",
        "NumberedListOutputParser",
        "OutputFixingParser",
        "PydanticOutputFunctionsParser",
        "PydanticOutputParser",
        "PydanticToolsParser",
        "RetryOutputParser",
        "RetryWithErrorOutputParser",
        "SimpleJsonOutputParser",
        "StrOutputParser",
        "XMLOutputParser",
    ),
    "plait.outputs": (
        "ChatGeneration",
        "ChatGenerationChunk",
        "ChatResult",
        "Generation",
        "GenerationChunk",
        "LLMResult",
    ),
    "plait.prompt_values": ("ChatPromptValue", "PromptValue", "StringPromptValue"),
    "plait.prompts": (
        "AIMessagePromptTemplate",
        "BaseChatPromptTemplate",
        "BaseMessagePromptTemplate",
        "BasePromptTemplate",
        "BaseStringMessagePromptTemplate",
        "ChatMessagePromptTemplate",
        "ChatPromptTemplate",
        "ExampleSelector",
        "FewShotChatMessagePromptTemplate",
        "FewShotPromptTemplate",
        "HumanMessagePromptTemplate",
        "MessagesPlaceholder",
        "PromptTemplate",
        "StringPromptTemplate",
        "SystemMessagePromptTemplate",
        "aformat_document",
        "format_document",
        "load_prompt",
        "load_prompt_from_config",
    ),
    "plait.providers": (
        "ConfigurableChatModel",
        "LocalEmbeddings",
        "MCPTools",
        "init_chat_model",
        "init_embeddings",
    ),
    "plait.providers.anthropic": ("ChatAnthropic",),
    "plait.providers.langchain": (
        "from_langchain",
        "to_langchain",
    ),
    "plait.providers.local": ("ChatLocal", "LocalServer", "local_server", "weights"),
    "plait.providers.openai": ("ChatOpenAI", "OpenAI", "OpenAIEmbeddings"),
    "plait.rate_limiters": ("BaseRateLimiter", "InMemoryRateLimiter"),
    "plait.retrievers": (
        "BM25Retriever",
        "BaseRetriever",
        "ContextualCompressionRetriever",
        "EmbeddingsFilter",
        "EnsembleRetriever",
        "LLMChainExtractor",
        "LLMChainFilter",
        "MultiQueryRetriever",
        "MultiVectorRetriever",
        "ParentDocumentRetriever",
    ),
    "plait.runnables": (
        "ConfigurableField",
        "ConfigurableFieldMultiOption",
        "ConfigurableFieldSingleOption",
        "ConfigurableFieldSpec",
        "RouterRunnable",
        "Runnable",
        "RunnableAssign",
        "RunnableBinding",
        "RunnableBranch",
        "RunnableConfig",
        "RunnableConfigurableAlternatives",
        "RunnableConfigurableFields",
        "RunnableEach",
        "RunnableGenerator",
        "RunnableLambda",
        "RunnableMap",
        "RunnableParallel",
        "RunnablePassthrough",
        "RunnablePick",
        "RunnableRetry",
        "RunnableSequence",
        "RunnableSerializable",
        "RunnableWithFallbacks",
        "chain",
        "coerce_to_runnable",
        "current_config",
        "ensure_config",
        "merge_configs",
        "patch_config",
        "run_in_executor",
    ),
    "plait.stores": (
        "BaseStore",
        "ByteStore",
        "EncoderBackedStore",
        "InMemoryBaseStore",
        "InMemoryByteStore",
        "InMemoryStore",
        "LocalFileStore",
        "create_kv_docstore",
    ),
    "plait.stream_plan": ("StreamReport",),
    "plait.testing": (
        "ASYNC_MODES",
        "EMBEDDING_LAWS",
        "LAWS",
        "OUTPUT_PARSER_LAWS",
        "RETRIEVER_LAWS",
        "STORE_LAWS",
        "SYNC_MODES",
        "TOOL_LAWS",
        "Call",
        "ConformanceError",
        "Fails",
        "FakeListChatModelError",
        "FakeListLLMError",
        "Finding",
        "Hangs",
        "Slow",
        "VirtualClock",
        "acheck_embeddings",
        "acheck_output_parser",
        "acheck_retriever",
        "acheck_runnable",
        "acheck_store",
        "acheck_tool",
        "check_embeddings",
        "check_output_parser",
        "check_retriever",
        "check_runnable",
        "check_store",
        "check_tool",
    ),
    "plait.text_splitters": (
        "CharacterTextSplitter",
        "Language",
        "MarkdownHeaderTextSplitter",
        "MarkdownTextSplitter",
        "PythonCodeTextSplitter",
        "RecursiveCharacterTextSplitter",
        "TextSplitter",
        "TokenTextSplitter",
    ),
    "plait.tools": (
        "BaseTool",
        "BaseToolkit",
        "InjectedToolArg",
        "InjectedToolCallId",
        "RunnableTool",
        "StructuredTool",
        "Tool",
        "ToolNode",
        "as_tool",
        "convert_to_openai_function",
        "convert_to_openai_tool",
        "create_retriever_tool",
        "render_text_description",
        "render_text_description_and_args",
        "tool",
    ),
    "plait.tracers": (
        "ConsoleCallbackHandler",
        "ConsoleTracer",
        "JsonLinesTracer",
        "OpenTelemetryTracer",
        "get_debug",
        "set_debug",
    ),
    "plait.vectorstores": (
        "FAISS",
        "DistanceStrategy",
        "InMemoryVectorStore",
        "PGVector",
        "VectorStore",
        "VectorStoreRetriever",
        "maximal_marginal_relevance",
    ),
    "plait.watching.events": ("CustomStreamEvent", "StandardStreamEvent", "StreamEvent"),
    "plait.watching.log": ("LogEntry", "RunLog", "RunLogPatch", "RunState"),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'plait' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _trace_everything() -> None:
    from plait.runs import ambient
    from plait.tracers.console import ambient_tracer

    if ambient is not None:
        ambient.listener = ambient_tracer()


if _environ.get("PLAIT_TRACE", "0") not in ("", "0"):
    _trace_everything()
