"""An app whose every activity asks a gate for leave to end: the test decides how far the work gets."""

import os

import aiohttp
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp()


@app.activity_trigger(input_name="step")
async def pass_gate(step: str) -> str:
    async with aiohttp.ClientSession() as session, session.post(os.environ["GATE_URL"], json=step) as answer:
        return await answer.text()


@app.route(route="ping", methods=["GET"])
def ping(req: func.HttpRequest) -> str:
    return "pong"


@app.orchestration_trigger(context_name="context")
def walk(context: df.DurableOrchestrationContext):
    passed = []
    for number in range(3):
        passed.append((yield context.call_activity("pass_gate", f"{context.instance_id}/{number}")))
    return passed


@app.orchestration_trigger(context_name="context")
def walk_together(context: df.DurableOrchestrationContext):
    walks = [context.call_sub_orchestrator("walk", None, f"{context.instance_id}-{n}") for n in range(10)]
    return (yield context.task_all(walks))
