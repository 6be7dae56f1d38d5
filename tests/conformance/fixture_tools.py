"""The tools that the conformance suite calls by name, as its scenarios describe them."""

from __future__ import annotations

import io
import wave
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from anyio import sleep
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    SubscriptionBus,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingCapability,
    SamplingMessage,
    TextContent,
    TextResourceContents,
    Tool,
)
from PIL import Image

Context: TypeAlias = ServerRequestContext[Any, Any]
ToolAnswer: TypeAlias = "CallToolResult | InputRequiredResult"
Call = Callable[[Context, CallToolRequestParams], Awaitable[ToolAnswer]]

STEP_SECONDS = 0.05
"""The pause between messages that the suite asks for."""


@dataclass(frozen=True)
class FixtureTool:
    description: Tool
    call: Call


TOOLS: dict[str, FixtureTool] = {}
CHANGES: SubscriptionBus = InMemorySubscriptionBus()


def tool(**properties: dict[str, Any]) -> Callable[[Call], Call]:
    """Offer the function as a tool of its name; all arguments are required."""
    required = {"required": list(properties)} if properties else {}
    return tool_with_schema({"type": "object", "properties": properties, **required})


def tool_with_schema(schema: dict[str, Any]) -> Callable[[Call], Call]:
    def register(call: Call) -> Call:
        name = call.__name__
        description = Tool(name=name, description=call.__doc__, input_schema=schema)
        TOOLS[name] = FixtureTool(description, call)
        return call

    return register


def texts(*blocks: str, is_error: bool = False) -> CallToolResult:
    content = [TextContent(type="text", text=block) for block in blocks]
    return CallToolResult(content=[*content], is_error=is_error)


def red_pixel() -> str:
    png = io.BytesIO()
    Image.new("RGB", (1, 1), "red").save(png, "PNG")
    return b64encode(png.getvalue()).decode()


def silence() -> str:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        wav.writeframes(bytes(16))
    return b64encode(sound.getvalue()).decode()


def embedded(uri: str, mime_type: str, content: str) -> EmbeddedResource:
    resource = TextResourceContents(uri=uri, mime_type=mime_type, text=content)
    return EmbeddedResource(type="resource", resource=resource)


# Content of every kind


@tool()
async def test_simple_text(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Answers with text."""
    return texts("This is a simple text response for testing.")


@tool()
async def test_image_content(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Answers with an image."""
    image = ImageContent(type="image", data=red_pixel(), mime_type="image/png")
    return CallToolResult(content=[image])


@tool()
async def test_audio_content(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Answers with a sound."""
    sound = AudioContent(type="audio", data=silence(), mime_type="audio/wav")
    return CallToolResult(content=[sound])


@tool()
async def test_embedded_resource(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Answers with a resource."""
    text = "This is an embedded resource content."
    return CallToolResult(content=[embedded("test://embedded-resource", "text/plain", text)])


@tool()
async def test_multiple_content_types(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Answers with text, an image and a resource."""
    data = '{"test":"data","value":123}'
    return CallToolResult(
        content=[
            TextContent(type="text", text="Multiple content types test:"),
            ImageContent(type="image", data=red_pixel(), mime_type="image/png"),
            embedded("test://mixed-content-resource", "application/json", data),
        ]
    )


@tool()
async def test_error_handling(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Always fails."""
    return texts("This tool intentionally returns an error for testing", is_error=True)


# Messages on the way


@tool()
async def test_tool_with_logging(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Logs three times."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", message, related_request_id=ctx.request_id)
        await sleep(STEP_SECONDS)
    return texts("Logged three times.")


@tool()
async def test_logging_tool(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Logs, which only reaches those who asked for it."""
    await ctx.session.send_log_message("info", "A message", related_request_id=ctx.request_id)
    return texts("Logged once.")


@tool()
async def test_tool_with_progress(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Reports progress three times."""
    for progress in (0, 50, 100):
        await ctx.session.report_progress(progress, 100)
        await sleep(STEP_SECONDS)
    return texts("Done.")


@tool()
async def test_trigger_tool_change(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Says that the list of tools changed."""
    await CHANGES.publish(ToolsListChanged())
    return texts("Said so.")


@tool()
async def test_trigger_prompt_change(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Says that the list of prompts changed."""
    await CHANGES.publish(PromptsListChanged())
    return texts("Said so.")


# Questions to the client in the middle of a call, which end with protocol 2025-11-25


@tool(prompt={"type": "string"})
async def test_sampling(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks the client's model."""
    message = user_message((params.arguments or {})["prompt"])
    reply = await ctx.session.create_message(
        [message], max_tokens=100, related_request_id=ctx.request_id
    )
    return texts(f"LLM response: {sampled_text(reply)}")


async def elicit(ctx: Context, message: str, schema: dict[str, Any]) -> ToolAnswer:
    reply = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return texts(f"Elicitation completed: action={reply.action}, content={reply.content}")


@tool(message={"type": "string"})
async def test_elicitation(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks the person."""
    schema = form(username={"type": "string"}, email={"type": "string"})
    return await elicit(ctx, (params.arguments or {})["message"], schema)


@tool()
async def test_elicitation_sep1034_defaults(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Asks the person, with a default of every type."""
    statuses = ["active", "inactive", "pending"]
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": statuses, "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await elicit(ctx, "Who are you?", {"type": "object", "properties": properties})


@tool()
async def test_elicitation_sep1330_enums(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks the person, with a choice of every kind."""
    plain = {"type": "string", "enum": ["option1", "option2", "option3"]}
    titled = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
    schema = form(
        untitledSingle=plain,
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]},
        untitledMulti={"type": "array", "items": plain},
        titledMulti={"type": "array", "items": {"anyOf": titled}},
    )
    return await elicit(ctx, "What do you choose?", schema)


# Questions to the client as an answer, from protocol 2026-07-28 on


def form(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def question(message: str, **properties: dict[str, Any]) -> ElicitRequest:
    schema = form(**properties)
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def user_message(text: str) -> SamplingMessage:
    return SamplingMessage(role="user", content=TextContent(type="text", text=text))


def sampling(text: str) -> CreateMessageRequest:
    params = CreateMessageRequestParams(messages=[user_message(text)], max_tokens=100)
    return CreateMessageRequest(params=params)


def sampled_text(reply: Any) -> str | None:
    """The text of a model's reply; None where `reply` is none."""
    if not isinstance(reply, CreateMessageResult):
        return None
    return reply.content.text if isinstance(reply.content, TextContent) else ""


def ask(state: str | None = None, **requests: Any) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def answered(params: Any, key: str, field: str) -> Any:
    """What the person entered in `field` of the question `key`; None without an answer."""
    reply = (params.input_responses or {}).get(key)
    if not isinstance(reply, ElicitResult) or reply.action != "accept":
        return None
    return (reply.content or {}).get(field)


def listed_roots(params: CallToolRequestParams) -> list[str] | None:
    reply = (params.input_responses or {}).get("client_roots")
    if not isinstance(reply, ListRootsResult):
        return None
    return [str(root.uri) for root in reply.roots]


@tool()
async def test_input_required_result_elicitation(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Needs a name."""
    name = answered(params, "user_name", "name")
    if name is None:
        return ask(user_name=question("What is your name?", name={"type": "string"}))
    return texts(f"Hello, {name}!")


@tool()
async def test_streaming_elicitation(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Needs a name, too."""
    return await test_input_required_result_elicitation(ctx, params)


@tool()
async def test_input_required_result_sampling(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Needs the client's model."""
    capital = sampled_text((params.input_responses or {}).get("capital_question"))
    if capital is None:
        return ask(capital_question=sampling("What is the capital of France?"))
    return texts(capital)


@tool()
async def test_input_required_result_list_roots(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Needs the client's roots."""
    roots = listed_roots(params)
    if roots is None:
        return ask(client_roots=ListRootsRequest())
    return texts(*roots)


@tool()
async def test_input_required_result_request_state(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Needs a confirmation and its own state."""
    if answered(params, "confirm", "ok") is None:
        return ask("asked", confirm=question("Please confirm", ok={"type": "boolean"}))
    return texts("state-ok" if params.request_state == "asked" else "state-lost")


@tool()
async def test_input_required_result_tampered_state(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Needs a confirmation and its own state, which the server's middleware seals."""
    return await test_input_required_result_request_state(ctx, params)


@tool()
async def test_input_required_result_multiple_inputs(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Needs three things at once."""
    name, roots = answered(params, "user_name", "name"), listed_roots(params)
    greeting = sampled_text((params.input_responses or {}).get("greeting"))
    if name is None or greeting is None or roots is None:
        return ask(
            "asked",
            user_name=question("What is your name?", name={"type": "string"}),
            greeting=sampling("Generate a greeting"),
            client_roots=ListRootsRequest(),
        )
    return texts(name, greeting, *roots)


@tool()
async def test_input_required_result_multi_round(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Needs two things one after the other."""
    if params.request_state is None:
        return ask("1", step1=question("Step 1: What is your name?", name={"type": "string"}))
    if params.request_state == "1":
        color = question("Step 2: What is your favorite color?", color={"type": "string"})
        return ask("2", step2=color)
    return texts(str(answered(params, "step2", "color")))


@tool()
async def test_input_required_result_capabilities(
    ctx: Context, params: CallToolRequestParams
) -> ToolAnswer:
    """Asks only for what the client can do."""
    able = ctx.session.client_capabilities or ClientCapabilities()
    requests: dict[str, Any] = {}
    if able.sampling:
        requests["greeting"] = sampling("Generate a greeting")
    if able.elicitation:
        requests["user_name"] = question("What is your name?", name={"type": "string"})
    return ask(**requests)


@tool()
async def test_missing_capability(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Refuses clients that cannot sample."""
    needed = ClientCapabilities(sampling=SamplingCapability())
    if not ctx.session.check_client_capability(needed):
        data = {"requiredCapabilities": needed.model_dump(by_alias=True, exclude_none=True)}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", data)
    return texts("The client can sample.")


# Schemas


@tool(region={"type": "string", "x-mcp-header": "Region"})
async def test_custom_header(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Has an argument that clients repeat in the header Mcp-Param-Region."""
    return texts(str(params.arguments))


@tool_with_schema(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }
)
async def json_schema_2020_12_tool(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Has a schema that nothing on the way may simplify."""
    return texts(str(params.arguments))
