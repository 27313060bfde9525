"""The scopes that open each RPC: the one table of what a credential allows."""

from __future__ import annotations

from typing import Final

from models.errors import PermissionDenied
from models.reasons import Reason
from server.access.caller import Caller, Scope

APP, REVIEWER, ANALYST, OPERATOR = Scope.APP, Scope.REVIEWER, Scope.ANALYST, Scope.OPERATOR
SEALED_RELEASE = Scope.SEALED_RELEASE

SCOPES: Final[dict[str, frozenset[Scope]]] = {
    f"vestibule.v1.{method}": frozenset(scopes)
    for method, scopes in {
        "SessionService/StartSession": (APP,),
        "SessionService/GetSession": (APP, REVIEWER, OPERATOR),
        "SessionService/WatchSession": (APP, REVIEWER, OPERATOR),
        "SessionService/AbandonSession": (APP, OPERATOR),
        "SessionService/ListSessions": (REVIEWER, ANALYST, OPERATOR),
        "SessionService/ListTurns": (APP, REVIEWER, ANALYST, OPERATOR),
        "ConversationService/Converse": (APP,),
        "MediaService/Upload": (APP,),
        "MediaService/GetUpload": (APP, REVIEWER),
        "MediaService/WatchUpload": (APP, REVIEWER),
        "MediaService/DownloadRedacted": (APP, REVIEWER),
        "RecommendationService/GetRecommendation": (APP, REVIEWER),
        "RecommendationService/ApproveRecommendation": (REVIEWER,),
        "RecommendationService/RejectRecommendation": (REVIEWER,),
        "ReviewService/ListReviews": (REVIEWER, OPERATOR),
        "ReviewService/GetReview": (REVIEWER, OPERATOR),
        "ReviewService/ClaimReview": (REVIEWER,),
        "ReviewService/ReleaseReview": (REVIEWER, OPERATOR),
        "ReviewService/DecideFields": (REVIEWER,),
        "ReviewService/AssignReview": (REVIEWER, OPERATOR),
        "ReviewService/CommentReview": (REVIEWER,),
        "FlowService/ListFlows": (APP, REVIEWER, ANALYST, OPERATOR),
        "FlowService/GetFlow": (APP, REVIEWER, ANALYST, OPERATOR),
        "FlowService/AnswerField": (APP,),
        "FlowService/SkipStep": (APP,),
        "FlowService/ReopenField": (APP,),
        "FunnelService/RecordEvents": (APP,),
        "FunnelService/GetReport": (ANALYST, OPERATOR),
        "FunnelService/ListFunnelSessions": (ANALYST, OPERATOR),
        "FunnelService/GetSessionTimeline": (REVIEWER, ANALYST, OPERATOR),
        "FunnelService/DeclareEvents": (OPERATOR,),
        "FunnelService/ListDeclaredEvents": (ANALYST, OPERATOR),
        "ExperimentService/ListExperiments": (ANALYST, OPERATOR),
        "ExperimentService/GetExperimentReport": (ANALYST, OPERATOR),
        "ExperimentService/PlanExperiment": (ANALYST, OPERATOR),
        "ReportService/SendReport": (OPERATOR,),
        "RiskService/GetSessionRisk": (APP, REVIEWER, ANALYST, OPERATOR),
        "RiskService/GetRiskModel": (ANALYST, OPERATOR),
        "SealedValueService/ListSealedValues": (REVIEWER, OPERATOR, SEALED_RELEASE),
        "SealedValueService/ReleaseSealedValues": (SEALED_RELEASE,),
        "AdminService/GetStatus": (OPERATOR,),
        "AdminService/ListDeadLetters": (OPERATOR,),
        "AdminService/RetryDeadLetter": (OPERATOR,),
        "AdminService/DiscardDeadLetter": (OPERATOR,),
        "AdminService/GetDeadLetter": (OPERATOR,),
        "AdminService/RedriveDeadLetters": (OPERATOR,),
        "AdminService/DiscardDeadLetters": (OPERATOR,),
        "AdminService/ListBreakers": (OPERATOR,),
        "AdminService/ResetBreaker": (OPERATOR,),
        "AdminService/TripBreaker": (OPERATOR,),
        "AdminService/GetSpeechModels": (OPERATOR,),
        "AdminService/UseSpeechModel": (OPERATOR,),
        "AdminService/ShadowSpeechModel": (OPERATOR,),
        "AdminService/DiscardSpeechCandidate": (OPERATOR,),
        "AdminService/CompareSpeechModels": (OPERATOR,),
        "AdminService/RotateSpoolKey": (OPERATOR,),
        "AdminService/HoldForBackup": (OPERATOR,),
        "AdminService/Erase": (OPERATOR,),
        "AdminService/ListAuditEntries": (OPERATOR,),
        "AdminService/VerifyAudit": (OPERATOR,),
        "AccessService/CreateApiKey": (OPERATOR,),
        "AccessService/ListApiKeys": (OPERATOR,),
        "AccessService/RotateApiKey": (OPERATOR,),
        "AccessService/RevokeApiKey": (OPERATOR,),
    }.items()
}
"""The scopes of each of our methods. A credential with any one of them may call it."""

ANY_CREDENTIAL: Final = ("grpc.reflection.",)
"""Services that every valid credential may call: reflection describes the protos, which are public."""

NO_CREDENTIAL: Final = ("grpc.health.",)
"""Services that are open: a load balancer reads the health, and has no credential."""


def allows(caller: Caller, method: str) -> bool:
    """Whether the caller's scopes open the method, given by its full name without the leading slash."""
    return bool(SCOPES.get(method, frozenset()) & caller.scopes)


def check_scope(caller: Caller, method: str) -> None:
    """Refuse a method that the caller's scopes do not open.

    Args:
        caller: Whoever calls.
        method: Full name without the leading slash.

    Raises:
        PermissionDenied: SCOPE_MISSING; METHOD_CLOSED for a method that is not in the table.
    """
    if method.startswith(ANY_CREDENTIAL):
        return
    needed = SCOPES.get(method)
    if needed is None:
        raise PermissionDenied(
            "Nobody may call this method.",
            reason=Reason.METHOD_CLOSED,
            hint="It has no scope in server/access/scopes.py; report that to the developers.",
        )
    if not needed & caller.scopes:
        names = " or ".join(scope for scope in Scope if scope in needed)
        raise PermissionDenied(f"This method needs the scope {names}.")
