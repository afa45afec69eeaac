"""A hub in its own process, reached over gRPC on loopback: a host that is killed and restarted resumes its work."""

from concurrent.futures import ThreadPoolExecutor

import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc

from local_host.backend.hub import TaskHub

LOOPBACK = "127.0.0.1"
CHANNEL_OPTIONS = [  # a history or a payload may pass gRPC's limit of 4 MB
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
MAX_CALLS = 64  # each worker's stream and each blocked wait for an instance holds a thread


def serve(hub: TaskHub, port: int) -> tuple[grpc.Server, str]:
    """Serve `hub` on loopback; port 0 lets the system choose. Returns the server and its address.

    Raises RuntimeError if the port is taken.
    """
    options = [*CHANNEL_OPTIONS, ("grpc.so_reuseport", 0)]  # or two backends could share one port unnoticed
    server = grpc.server(ThreadPoolExecutor(max_workers=MAX_CALLS), options=options)
    stubs.add_TaskHubSidecarServiceServicer_to_server(hub, server)
    bound = server.add_insecure_port(f"{LOOPBACK}:{port}")
    server.start()
    return server, f"{LOOPBACK}:{bound}"


def connect(address: str) -> grpc.Channel:
    """A channel to a served hub. Connecting happens with the first call."""
    return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
