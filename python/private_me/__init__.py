"""A cryptographic identity for every AI agent: agents call each other, and every message is signed and verified.

`Agent` raises, and takes methods by decorator; `private_me.autogen_xbind.AutoGenxBindAgent` is the same agent whose methods
return results.
"""

from . import autogen_xbind
from ._address import Address, Located
from ._agent import Agent
from ._approvals import Approval, ApprovalRequest, CallToApprove, approvals, approve_call, verify_approval
from ._audit import (
    AuditLog,
    AuditOutcome,
    AuditRecord,
    VerifiedAudit,
    open_audit_log,
    verify_audit,
    verify_witness,
    witness_head,
)
from ._bus import MessageBus, Present
from ._calls import CallReceipt, DeliveryReceipt, DeliveryStatus
from ._card import AgentCard, OfferedMethod, verify_card
from ._codes import ErrorCode
from ._errors import HandlerError, RemoteError, XBindError
from ._fetching import FetchDocument, FetchLimits
from ._guard import ApprovalPolicy, ApprovedCall, Handler
from ._http import HttpRequest, VerifiedResponse, approve_request, sign_request, sign_response, verify_response
from ._identity import Identity, IdentityProvider, did_to_public_key, public_key_to_did, verify_signature
from ._inbox import Message
from ._incoming import IncomingCall
from ._issuer import TrustedIssuer
from ._kept import KeptKey, pkcs11, vault
from ._messages import MessageOp, MessageVerifier, SealedMessage, VerifiedMessage, seal
from ._progress import Progress
from ._reach import HttpReach, ProxyUse
from ._receipts import VerifiedReceipt, verify_receipt
from ._registry import Registered, RegistryAddress
from ._requests import RequestVerifier, VerifiedRequest
from ._revocation import RevocationList, RevocationSource, RevocationSubject
from ._rotation import KeyHistory, KeyState, Rotation, sign_rotation, verify_rotation
from ._serve import serve_agents
from ._server import Listening, listen
from ._sink import AuditBatch, AuditHead, AuditSink
from ._status_list import StatusList
from ._status_source import StatusEvidence, StatusListSource
from ._stream import AnswerStream
from ._tokens import StatusRef, covers, delegate_token, issue_token
from ._verifier import Evidence, OnBehalfOf, TokenClaims, TokenVerifier

__all__ = [
    "Address",
    "Agent",
    "AgentCard",
    "AnswerStream",
    "Approval",
    "ApprovalPolicy",
    "ApprovalRequest",
    "ApprovedCall",
    "AuditBatch",
    "AuditHead",
    "AuditLog",
    "AuditOutcome",
    "AuditRecord",
    "AuditSink",
    "CallReceipt",
    "CallToApprove",
    "DeliveryReceipt",
    "DeliveryStatus",
    "ErrorCode",
    "Evidence",
    "FetchDocument",
    "FetchLimits",
    "Handler",
    "HandlerError",
    "HttpReach",
    "HttpRequest",
    "Identity",
    "IdentityProvider",
    "IncomingCall",
    "KeptKey",
    "KeyHistory",
    "KeyState",
    "Listening",
    "Located",
    "Message",
    "MessageBus",
    "MessageOp",
    "MessageVerifier",
    "OfferedMethod",
    "OnBehalfOf",
    "Present",
    "Progress",
    "ProxyUse",
    "Registered",
    "RegistryAddress",
    "RemoteError",
    "RequestVerifier",
    "RevocationList",
    "RevocationSource",
    "RevocationSubject",
    "Rotation",
    "SealedMessage",
    "StatusEvidence",
    "StatusList",
    "StatusListSource",
    "StatusRef",
    "TokenClaims",
    "TokenVerifier",
    "TrustedIssuer",
    "VerifiedAudit",
    "VerifiedMessage",
    "VerifiedReceipt",
    "VerifiedRequest",
    "VerifiedResponse",
    "XBindError",
    "approvals",
    "approve_call",
    "approve_request",
    "autogen_xbind",
    "covers",
    "delegate_token",
    "did_to_public_key",
    "issue_token",
    "listen",
    "open_audit_log",
    "pkcs11",
    "public_key_to_did",
    "seal",
    "serve_agents",
    "sign_request",
    "sign_response",
    "sign_rotation",
    "vault",
    "verify_approval",
    "verify_audit",
    "verify_card",
    "verify_receipt",
    "verify_response",
    "verify_rotation",
    "verify_signature",
    "verify_witness",
    "witness_head",
]
