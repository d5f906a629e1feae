"""Lambdas in private subnets that the settings name, and the endpoints through which they reach AWS from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.access.acknowledgements import acknowledge_wildcards
from stacks.access.permissions import Permission, allow, keep_reasons, policy_document

if TYPE_CHECKING:
    from lambdas.domain.task.settings import Vpc

INTERFACES = ("bedrock", "bedrock-runtime", "lambda", "monitoring", "servicequotas", "sns", "ssm", "states", "sts")
"""What the Lambdas call; logs, traces, dead letters and the key are used by AWS itself, outside the subnets."""

GATEWAYS = ("dynamodb", "s3")

HTTPS = 443


class Network(Construct):
    """Security group of the Lambdas, right to join the subnets, and the endpoints.

    Nothing is looked up: the settings give ids. The endpoints' private names hold in the whole VPC.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    vpc : Vpc
        Of the settings.

    Attributes
    ----------
    joining : ManagedPolicy
        Lets the Lambda service put a Lambda's network interfaces into the subnets.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: Vpc) -> None:
        super().__init__(scope, construct_id)
        self._vpc = vpc
        self._security_group = ec2.CfnSecurityGroup(
            self,
            "LambdaSecurityGroup",
            group_description="Distillation: the Lambdas reach AWS by TLS, and nothing reaches them",
            vpc_id=vpc.vpc_id,
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="tcp",
                    from_port=HTTPS,
                    to_port=HTTPS,
                    cidr_ip="0.0.0.0/0",
                    description="AWS, through endpoints: the addresses of gateway endpoints are public ones",
                )
            ],
        )
        self.joining = self._joining_policy()
        if vpc.endpoints:
            self._interface_endpoints()
            self._gateway_endpoints()

    def put_inside(self, function: lambda_.Function) -> None:
        """Put a Lambda into the subnets; its role has :attr:`joining`."""
        resource = function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)  # noqa: S101 - for the type checker
        resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=self._vpc.subnet_ids, security_group_ids=[self._security_group.attr_group_id]
        )

    def _joining_policy(self) -> iam.ManagedPolicy:
        stack = Stack.of(self)
        here = f"arn:{stack.partition}:ec2:{stack.region}:{stack.account}"
        interfaces = f"{here}:network-interface/*"
        ids = "EC2 makes the ids of interfaces; the wildcard covers those of this account and Region."
        permissions = [
            allow(
                "ec2:CreateNetworkInterface",
                on=[
                    interfaces,
                    *(f"{here}:subnet/{subnet}" for subnet in self._vpc.subnet_ids),
                    f"{here}:security-group/{self._security_group.attr_group_id}",
                ],
                to="make the Lambda's interface in the subnets of the settings",
                because=ids,
            ),
            allow(
                "ec2:DeleteNetworkInterface",
                "ec2:AssignPrivateIpAddresses",
                "ec2:UnassignPrivateIpAddresses",
                on=[interfaces],
                to="give the interface addresses, and delete it",
                because=ids,
            ),
            allow(
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                on=["*"],
                to="see interfaces and subnets",
                because="EC2 knows no resource for these actions (service authorization reference).",
            ),
        ]
        return _managed(self, "JoinSubnets", "Distillation: network interfaces of the Lambdas", permissions)

    def _interface_endpoints(self) -> None:
        entry = ec2.CfnSecurityGroup(
            self,
            "EndpointSecurityGroup",
            group_description="Distillation: endpoints of AWS services, for the Lambdas only",
            vpc_id=self._vpc.vpc_id,
            security_group_ingress=[
                ec2.CfnSecurityGroup.IngressProperty(
                    ip_protocol="tcp",
                    from_port=HTTPS,
                    to_port=HTTPS,
                    source_security_group_id=self._security_group.attr_group_id,
                    description="The Lambdas",
                )
            ],
        )
        for service in INTERFACES:
            ec2.CfnVPCEndpoint(
                self,
                service,
                vpc_endpoint_type="Interface",
                service_name=self._service_name(service),
                vpc_id=self._vpc.vpc_id,
                subnet_ids=self._vpc.subnet_ids,
                security_group_ids=[entry.attr_group_id],
                private_dns_enabled=True,
                policy_document=self._for_this_account(),
            )

    def _gateway_endpoints(self) -> None:
        """Make gateway endpoints without a policy: whatever else uses these route tables reads other buckets too."""
        for service in GATEWAYS if self._vpc.route_table_ids else ():
            ec2.CfnVPCEndpoint(
                self,
                service,
                vpc_endpoint_type="Gateway",
                service_name=self._service_name(service),
                vpc_id=self._vpc.vpc_id,
                route_table_ids=self._vpc.route_table_ids,
            )

    def _service_name(self, service: str) -> str:
        return f"com.amazonaws.{Stack.of(self).region}.{service}"

    def _for_this_account(self) -> dict[str, object]:
        """Refuse credentials of other accounts, with which data could be carried away through the endpoint."""
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalAccount": Stack.of(self).account}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}


def _managed(scope: Construct, name: str, description: str, permissions: list[Permission]) -> iam.ManagedPolicy:
    policy = iam.ManagedPolicy(scope, name, description=description, document=policy_document(permissions))
    keep_reasons(policy, permissions)
    acknowledge_wildcards(policy, permissions)
    return policy
