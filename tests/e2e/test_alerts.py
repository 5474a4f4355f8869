# SPDX-License-Identifier: Apache-2.0
"""The rule pack rules/examples/cloudtrail-alerts.yaml: which audit records make which alerts, at the queue and at the
webhook. What each monitor of the CIS benchmark names is written down here once more, so that a name that gets lost in
the pack is missed."""
import json

from conftest import ROOT, wait_until, weir

PACK = ROOT / "rules/examples/cloudtrail-alerts.yaml"
HOOK = "http://127.0.0.1:9000/hook"
MALLORY = {"type": "IAMUser", "accountId": "111122223333", "userName": "mallory", "accessKeyId": "AKIAEXAMPLE",
           "arn": "arn:aws:iam::111122223333:user/mallory"}
ROOT_USER = {"type": "Root", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root"}

# monitor: (severity, how its message begins, service, calls)
CALLS = {
    "CIS 4.4": ("medium", "IAM policy changed", "iam",
                """DeleteGroupPolicy DeleteRolePolicy DeleteUserPolicy PutGroupPolicy PutRolePolicy PutUserPolicy
                CreatePolicy DeletePolicy CreatePolicyVersion DeletePolicyVersion AttachRolePolicy DetachRolePolicy
                AttachUserPolicy DetachUserPolicy AttachGroupPolicy DetachGroupPolicy"""),
    "CIS 4.5": ("critical", "Audit log changed", "cloudtrail",
                "CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging"),
    "CIS 4.7": ("high", "Encryption key at risk", "kms", "DisableKey ScheduleKeyDeletion"),
    "CIS 4.8": ("medium", "S3 bucket policy changed", "s3",
                """PutBucketAcl PutBucketPolicy PutBucketCors PutBucketLifecycle PutBucketReplication DeleteBucketPolicy
                DeleteBucketCors DeleteBucketLifecycle DeleteBucketReplication"""),
    "CIS 4.9": ("medium", "AWS Config changed", "config",
                "StopConfigurationRecorder DeleteDeliveryChannel PutDeliveryChannel PutConfigurationRecorder"),
    "CIS 4.10": ("medium", "Security group changed", "ec2",
                 """AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress
                 RevokeSecurityGroupEgress CreateSecurityGroup DeleteSecurityGroup"""),
    "CIS 4.11": ("medium", "Network ACL changed", "ec2",
                 """CreateNetworkAcl CreateNetworkAclEntry DeleteNetworkAcl DeleteNetworkAclEntry ReplaceNetworkAclEntry
                 ReplaceNetworkAclAssociation"""),
    "CIS 4.12": ("medium", "Network gateway changed", "ec2",
                 """CreateCustomerGateway DeleteCustomerGateway AttachInternetGateway CreateInternetGateway
                 DeleteInternetGateway DetachInternetGateway"""),
    "CIS 4.13": ("medium", "Route table changed", "ec2",
                 """CreateRoute CreateRouteTable ReplaceRoute ReplaceRouteTableAssociation DeleteRouteTable DeleteRoute
                 DisassociateRouteTable"""),
    "CIS 4.14": ("medium", "VPC changed", "ec2",
                 """CreateVpc DeleteVpc ModifyVpcAttribute AcceptVpcPeeringConnection CreateVpcPeeringConnection
                 DeleteVpcPeeringConnection RejectVpcPeeringConnection AttachClassicLinkVpc DetachClassicLinkVpc
                 DisableVpcClassicLink EnableVpcClassicLink"""),
    "CIS 4.15": ("high", "AWS Organizations changed", "organizations",
                 """AcceptHandshake AttachPolicy CreateAccount CreateOrganizationalUnit CreatePolicy DeclineHandshake
                 DeleteOrganization DeleteOrganizationalUnit DeletePolicy DetachPolicy DisablePolicyType EnablePolicyType
                 InviteAccountToOrganization LeaveOrganization MoveAccount RemoveAccountFromOrganization UpdatePolicy
                 UpdateOrganizationalUnit"""),
    "DynamoDB DeleteTable": ("high", "DynamoDB table deleted", "dynamodb", "DeleteTable"),
}


class Log:
    """Records as CloudTrail writes them, and the alerts they must make: {(event id, monitor): (severity, message)}."""

    def __init__(self):
        self.records = []
        self.alerts = {}

    def add(self, service, name, *alerts, **members):
        """alerts: (monitor, severity, message), the message with {at} for when and where."""
        number = len(self.records)
        time = f"2026-11-20T08:{number // 60:02}:{number % 60:02}Z"
        record = {"eventVersion": "1.08", "eventType": "AwsApiCall", "eventTime": time,
                  "eventSource": service + ".amazonaws.com", "eventName": name, "awsRegion": "eu-west-1",
                  "sourceIPAddress": "203.0.113.66", "userAgent": 'a "quoted" agent', "userIdentity": MALLORY,
                  "requestParameters": {"name": '","severity":"info'}, "responseElements": None,
                  "eventID": f"c0ffee00-0000-4000-8000-{number:012}", "recipientAccountId": "111122223333", **members}
        at = f"at {time} in 111122223333 eu-west-1 from {record['sourceIPAddress']}"
        self.records.append(record)
        for monitor, severity, message in alerts:
            self.alerts[record["eventID"], monitor] = (severity, message.format(at=at))

    def sign_in(self, *alerts, **members):
        self.add("signin", "ConsoleLogin", *alerts, eventType="AwsConsoleSignIn", requestParameters=None, **members)


def changes(log):
    for monitor, (severity, title, service, names) in CALLS.items():
        for name in names.split():
            log.add(service, name, (monitor, severity, f"{title}: {name} {{at}} by IAMUser mallory"))
            log.add("elsewhere", name)
            log.add(service, "Describe" + name)


def refusals(log):
    def refused(code, service, name, key="AKIAEXAMPLE"):
        return "CIS 4.1", "medium", f"Unauthorized: {name} ({service}.amazonaws.com, {code}) {{at}} by IAMUser {key}"

    for code in ("Client.UnauthorizedOperation", "UnauthorizedOperation", "AccessDenied", "AccessDeniedException"):
        log.add("rds", "StopDBInstance", refused(code, "rds", "StopDBInstance"), errorCode=code)
    log.add("s3", "HeadBucket", errorCode="AccessDenied")
    log.add("s3", "PutObject", errorCode="AccessDenied", sourceIPAddress="delivery.logs.amazonaws.com")
    for code in ("accessdenied", "UnauthorizedOperation.More", "VpceAccessDenied", "Throttling", "", None, False):
        log.add("rds", "StopDBInstance", errorCode=code)
    log.add("dynamodb", "DeleteTable", refused("AccessDenied", "dynamodb", "DeleteTable"),   # one record, two rules
            ("DynamoDB DeleteTable", "high", "DynamoDB table deleted: DeleteTable {at} by IAMUser mallory"),
            errorCode="AccessDenied")


def sign_ins(log):
    no_mfa = "CIS 4.2", "high", "Console sign-in without MFA {at} by IAMUser mallory"
    failed = "CIS 4.6", "low", "Console sign-in failed {at} as IAMUser mallory"
    yes = {"MFAUsed": "Yes"}
    for more in ({"MFAUsed": "No"}, {"MFAUsed": None}, {"MFAUsed": True}, {}, None):
        log.sign_in(no_mfa, additionalEventData=more)
    log.sign_in(no_mfa)
    log.sign_in(additionalEventData=yes)
    log.sign_in(failed, additionalEventData=yes, errorMessage="Failed authentication")
    log.sign_in(failed, no_mfa, additionalEventData={"MFAUsed": "No"}, errorMessage="Failed authentication")
    log.sign_in(additionalEventData=yes, errorMessage="No username found in supplied account")


def root_user(log):
    used = "CIS 4.3", "critical"
    log.add("iam", "ListUsers", (*used, "Root user used: ListUsers (iam.amazonaws.com) {at}"), userIdentity=ROOT_USER)
    log.sign_in((*used, "Root user used: ConsoleLogin (signin.amazonaws.com) {at}"), userIdentity=ROOT_USER,
                additionalEventData={"MFAUsed": "Yes"})
    log.add("health", "DescribeEvents", userIdentity={**ROOT_USER, "invokedBy": "AWS Internal"})
    log.add("kms", "RotateKey", userIdentity=ROOT_USER, eventType="AwsServiceEvent")
    log.add("iam", "ListUsers", userIdentity={**MALLORY, "userName": "Root"})


def callers(log):
    """Who has no user name, and whose ARN holds what would rewrite an alert."""
    def stop(by):
        return "CIS 4.5", "critical", "Audit log changed: StopLogging {at} by " + by

    issuer = {"sessionIssuer": {"type": "Role", "userName": "deploy"}}
    log.add("cloudtrail", "StopLogging", stop("AssumedRole deploy"),
            userIdentity={"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/deploy/ci",
                          "sessionContext": issuer})
    log.add("cloudtrail", "StopLogging", stop("AWSService "),
            userIdentity={"type": "AWSService", "invokedBy": "controltower.amazonaws.com"})
    log.add("cloudtrail", "StopLogging", stop("IAMUser mallory"),
            userIdentity={**MALLORY, "arn": 'arn:aws:iam::111122223333:user/","severity":"info","x":"/mallory'})
    log.add("s3", "PutObject", ("CIS 4.1", "medium",
                                "Unauthorized: PutObject (s3.amazonaws.com, AccessDenied) {at} by SAMLUser "),
            errorCode="AccessDenied", userIdentity={"type": "SAMLUser", "userName": '"', "principalId": '"'})


def check_alerts(log, bodies):
    alerts = [json.loads(b, object_pairs_hook=unique) for b in bodies]
    got = {(a["event_id"], a["monitor"]): (a["severity"], a["message"]) for a in alerts}
    assert got == log.alerts
    assert len(alerts) == len(got)
    records = {r["eventID"]: r for r in log.records}
    for a in alerts:
        record = records[a["event_id"]]
        assert a["event"]["detail"] == record
        assert (a["who"], a["error_code"]) == (record["userIdentity"].get("arn", ""), record.get("errorCode", ""))
        assert (a["request"], a["time"]) == (record["requestParameters"], record["eventTime"])


def unique(pairs):
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def test_its_own_tests_pass():
    code, out, err = weir("test", "-c", PACK)
    assert code == 0, out + err
    assert weir("check", PACK)[1:] == (f"{PACK}: ok: 16 rules on 2 buses, 4 targets\n", "")


def test_it_can_be_included(tmp_path):
    (tmp_path / "weir.yaml").write_text(f"version: 1\nlisten: 127.0.0.1:0\ninclude: [{PACK}]\nqueues: {{mine: {{}}}}\n")
    assert weir("check", tmp_path / "weir.yaml")[0] == 0


def matched(r):
    """How many alerts the rules asked for, once every event was matched."""
    wait_until(lambda: r.status()["journal"]["lag"] == 0, what="dispatch")
    return sum(rule["matched"] for rule in r.status()["rules"])


def test_each_alert_once_and_no_other(router, receiver):
    hook = receiver()
    r = router(PACK.read_text().replace(HOOK, hook.url))
    log = Log()
    for part in (changes, refusals, sign_ins, root_user, callers):
        part(log)
    assert r.post("/cloudtrail/audit", {"Records": log.records}) == (200, {"accepted": len(log.records)})
    r.send({"source": "my.app", "detail-type": "AWS API Call via CloudTrail", "detail": log.records[0]}, bus="audit")
    count = matched(r)
    messages = r.receive("alert-queue", count)
    wait_until(lambda: len(hook.requests) >= count, what="alerts at the webhook")
    check_alerts(log, [m["body"] for m in messages])
    check_alerts(log, [body for _, body in hook.requests])
    assert len({monitor for _, monitor in log.alerts}) == 16


def test_a_sign_in_in_its_other_spelling(router, receiver):
    hook = receiver()
    r = router(PACK.read_text().replace(HOOK, hook.url))
    detail = {"eventName": "ConsoleLogin", "errorMessage": "Failed authentication", "userIdentity": MALLORY}
    r.send({"source": "aws.signin", "detail-type": "AWS Console Signin via CloudTrail", "detail": detail}, bus="audit")
    got = [json.loads(m["body"]) for m in r.receive("alert-queue", matched(r))]
    assert sorted(a["monitor"] for a in got) == ["CIS 4.2", "CIS 4.6"]
