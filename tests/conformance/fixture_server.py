"""An MCP server with everything that the conformance suite asks for, and nothing of ours."""

from __future__ import annotations

import json
import re
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CallToolRequestParams,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    ImageContent,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
)

from .fixture_tools import (
    CHANGES,
    TOOLS,
    Context,
    ToolAnswer,
    answered,
    ask,
    embedded,
    question,
    red_pixel,
)

NAME = "conformance-fixture"
TEXTS = {
    "test://static-text": "This is the content of the static text resource.",
    "test://watched-resource": "This resource can be watched.",
}
BINARY = "test://static-binary"
TEMPLATE = "test://template/{id}/data"


def create_fixture_server() -> Server[Any]:
    server: Server[Any] = Server(
        NAME,
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_resource_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=accept,
        on_unsubscribe_resource=accept,
        on_subscriptions_listen=ListenHandler(CHANGES),
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=accept,
    )
    # As an attribute, as in the product: version 2.2 of the SDK takes no such argument.
    schemas = {name: tool.description.input_schema for name, tool in TOOLS.items()}
    server.get_tool_input_schema = schemas.get
    security = RequestStateSecurity.ephemeral()
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


async def accept(ctx: Context, params: Any) -> EmptyResult:
    return EmptyResult()


# Tools


async def list_tools(ctx: Context, params: Any) -> ListToolsResult:
    return ListToolsResult(tools=[tool.description for tool in TOOLS.values()])


async def call_tool(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    tool = TOOLS.get(params.name)
    if tool is None:
        raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}")
    return await tool.call(ctx, params)


# Resources


async def list_resources(ctx: Context, params: Any) -> ListResourcesResult:
    listed = [(uri, "text/plain") for uri in TEXTS] + [(BINARY, "image/png")]
    return ListResourcesResult(
        resources=[
            Resource(uri=uri, name=uri, description="For tests.", mime_type=mime_type)
            for uri, mime_type in listed
        ]
    )


async def list_resource_templates(ctx: Context, params: Any) -> ListResourceTemplatesResult:
    template = ResourceTemplate(
        uri_template=TEMPLATE, name="data", description="For tests.", mime_type="application/json"
    )
    return ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    uri = params.uri
    if uri == BINARY:
        blob = BlobResourceContents(uri=uri, mime_type="image/png", blob=red_pixel())
        return ReadResourceResult(contents=[blob])
    if match := re.fullmatch(r"test://template/([^/]+)/data", uri):
        data = {"id": match[1], "templateTest": True, "data": f"Data for ID: {match[1]}"}
        text = TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
        return ReadResourceResult(contents=[text])
    if uri not in TEXTS:
        raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": uri})
    text = TextResourceContents(uri=uri, mime_type="text/plain", text=TEXTS[uri])
    return ReadResourceResult(contents=[text])


# Prompts

PROMPTS = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}


async def list_prompts(ctx: Context, params: Any) -> ListPromptsResult:
    return ListPromptsResult(
        prompts=[
            Prompt(
                name=name,
                description="For tests.",
                arguments=[PromptArgument(name=each, required=True) for each in arguments],
            )
            for name, arguments in PROMPTS.items()
        ]
    )


async def get_prompt(
    ctx: Context, params: GetPromptRequestParams
) -> GetPromptResult | InputRequiredResult:
    given = params.arguments or {}
    if params.name == "test_simple_prompt":
        return prompt(text("This is a simple prompt for testing."))
    if params.name == "test_prompt_with_arguments":
        arguments = f"arg1='{given['arg1']}', arg2='{given['arg2']}'"
        return prompt(text(f"Prompt with arguments: {arguments}"))
    if params.name == "test_prompt_with_embedded_resource":
        content = "Embedded resource content for testing."
        resource = embedded(given["resourceUri"], "text/plain", content)
        return prompt(resource, text("Please process the embedded resource above."))
    if params.name == "test_prompt_with_image":
        image = ImageContent(type="image", data=red_pixel(), mime_type="image/png")
        return prompt(image, text("Please analyze the image above."))
    if params.name == "test_input_required_result_prompt":
        context = answered(params, "user_context", "context")
        if context is None:
            message = "What context should the prompt use?"
            return ask(user_context=question(message, context={"type": "string"}))
        return prompt(text(f"Use this context: {context}"))
    raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name}")


def text(content: str) -> TextContent:
    return TextContent(type="text", text=content)


def prompt(*contents: Any) -> GetPromptResult:
    return GetPromptResult(messages=[PromptMessage(role="user", content=each) for each in contents])


async def complete(ctx: Context, params: CompleteRequestParams) -> CompleteResult:
    values = [word for word in ("paris", "park") if word.startswith(params.argument.value)]
    return CompleteResult(completion=Completion(values=values, total=len(values), has_more=False))
