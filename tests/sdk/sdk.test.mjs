// SPDX-License-Identifier: Apache-2.0
// The AWS SDK for JavaScript v3, as npm has it, against a running router ($WEIR_URL): only the endpoint is set. Every
// answer goes through the SDK's own reader, which checks the MD5s of messages and turns errors into its classes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as events from '@aws-sdk/client-eventbridge';
import * as lambda from '@aws-sdk/client-lambda';
import * as sns from '@aws-sdk/client-sns';
import * as sqs from '@aws-sdk/client-sqs';

const settings = {
    endpoint: process.env.WEIR_URL,
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    maxAttempts: 1,
};
const bridge = new events.EventBridgeClient(settings);
const queues = new sqs.SQSClient(settings);
const topics = new sns.SNSClient(settings);
const functions = new lambda.LambdaClient(settings);

let made = 0;
const name = (what) => `sdk-${what}-${++made}`;

async function makeQueue(what, Attributes) {
    const QueueName = name(what) + (Attributes?.FifoQueue ? '.fifo' : '');
    const { QueueUrl } = await queues.send(new sqs.CreateQueueCommand({ QueueName, Attributes }));
    const got = await queues.send(new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
    return { QueueName, QueueUrl, arn: got.Attributes.QueueArn };
}

// Messages as they come, until there are as many.
async function take(QueueUrl, count) {
    const all = [];
    for (let tries = 0; all.length < count && tries < 20; tries++) {
        const got = await queues.send(
            new sqs.ReceiveMessageCommand({
                QueueUrl,
                MaxNumberOfMessages: 10,
                WaitTimeSeconds: 1,
                MessageAttributeNames: ['All'],
                AttributeNames: ['All'],
            }),
        );
        for (const message of got.Messages ?? []) {
            all.push(message);
            await queues.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
        }
    }
    assert.equal(all.length, count);
    return all;
}

// ---- EventBridge ----

test('a rule made by the SDK sends events to three queues, one with a transformed input', async () => {
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((what) => makeQueue(what)));
    const EventBusName = name('bus');
    await bridge.send(new events.CreateEventBusCommand({ Name: EventBusName }));
    const Name = name('rule');
    const { RuleArn } = await bridge.send(
        new events.PutRuleCommand({ Name, EventBusName, EventPattern: '{"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}' }),
    );
    assert.match(RuleArn, new RegExp(`:rule/${EventBusName}/${Name}$`));
    const put = await bridge.send(
        new events.PutTargetsCommand({
            Rule: Name,
            EventBusName,
            Targets: [
                { Id: 'a', Arn: a.arn },
                { Id: 'b', Arn: b.arn, InputPath: '$.detail' },
                {
                    Id: 'c',
                    Arn: c.arn,
                    InputTransformer: { InputPathsMap: { t: '$.detail.total' }, InputTemplate: '{"sum": <t>}' },
                },
            ],
        }),
    );
    assert.equal(put.FailedEntryCount, 0);
    const entry = (total) => ({ EventBusName, Source: 'shop', DetailType: 'Order', Detail: JSON.stringify({ total }) });
    const answer = await bridge.send(new events.PutEventsCommand({ Entries: [entry(5), entry(50)] }));
    assert.equal(answer.FailedEntryCount, 0);
    const [whole] = await take(a.QueueUrl, 1);
    assert.equal(JSON.parse(whole.Body).id, answer.Entries[1].EventId);
    assert.deepEqual(JSON.parse((await take(b.QueueUrl, 1))[0].Body), { total: 50 });
    assert.deepEqual(JSON.parse((await take(c.QueueUrl, 1))[0].Body), { sum: 50 });

    const listed = await bridge.send(new events.ListTargetsByRuleCommand({ Rule: Name, EventBusName }));
    assert.deepEqual(listed.Targets.map((t) => t.Id).sort(), ['a', 'b', 'c']);
    const names = await bridge.send(new events.ListRuleNamesByTargetCommand({ TargetArn: a.arn, EventBusName }));
    assert.deepEqual(names.RuleNames, [Name]);
    await assert.rejects(bridge.send(new events.DeleteRuleCommand({ Name, EventBusName })), { name: 'ValidationException' });
    await bridge.send(new events.RemoveTargetsCommand({ Rule: Name, EventBusName, Ids: ['a', 'b', 'c'] }));
    await bridge.send(new events.DeleteRuleCommand({ Name, EventBusName }));
    await bridge.send(new events.DeleteEventBusCommand({ Name: EventBusName }));
});

test('rules are listed a page at a time', async () => {
    const prefix = name('page');
    for (let i = 0; i < 7; i++)
        await bridge.send(new events.PutRuleCommand({ Name: `${prefix}-${i}`, EventPattern: '{"source": ["x"]}' }));
    const seen = [];
    let NextToken;
    do {
        const page = await bridge.send(new events.ListRulesCommand({ NamePrefix: prefix, Limit: 3, NextToken }));
        assert.ok(page.Rules.length <= 3);
        seen.push(...page.Rules.map((rule) => rule.Name));
        NextToken = page.NextToken;
    } while (NextToken);
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6].map((i) => `${prefix}-${i}`));
});

test('errors of EventBridge are the classes of the SDK', async () => {
    await assert.rejects(bridge.send(new events.DescribeRuleCommand({ Name: 'no-such-rule' })), (error) => {
        assert.ok(error instanceof events.ResourceNotFoundException);
        assert.equal(error.message, 'Rule no-such-rule does not exist on EventBus default.');
        return true;
    });
    await assert.rejects(
        bridge.send(new events.PutRuleCommand({ Name: 'bad', EventPattern: '{"source": "text"}' })),
        (error) => error instanceof events.InvalidEventPatternException && error.message.startsWith('Event pattern is not valid. Reason: '),
    );
    const tried = await bridge.send(
        new events.TestEventPatternCommand({
            EventPattern: '{"source": [{"prefix": "sh"}]}',
            Event: '{"id":"1","source":"shop","detail-type":"x","account":"1","time":"2024-01-01T00:00:00Z","region":"r","resources":[],"detail":{}}',
        }),
    );
    assert.equal(tried.Result, true);
});

test('an archive is made, filled and replayed to one rule', async () => {
    const [one, other] = await Promise.all([makeQueue('one'), makeQueue('other')]);
    const { EventBusArn } = await bridge.send(new events.CreateEventBusCommand({ Name: name('replayed') }));
    const EventBusName = EventBusArn.split('/')[1];
    const rules = [];
    for (const queue of [one, other]) {
        const Name = name('rule');
        const { RuleArn } = await bridge.send(
            new events.PutRuleCommand({ Name, EventBusName, EventPattern: '{"source": ["shop"]}' }),
        );
        await bridge.send(new events.PutTargetsCommand({ Rule: Name, EventBusName, Targets: [{ Id: 't', Arn: queue.arn }] }));
        rules.push(RuleArn);
    }
    const ArchiveName = name('archive');
    const archive = await bridge.send(new events.CreateArchiveCommand({ ArchiveName, EventSourceArn: EventBusArn }));
    await bridge.send(
        new events.PutEventsCommand({ Entries: [{ EventBusName, Source: 'shop', DetailType: 'Order', Detail: '{"n": 1}' }] }),
    );
    await Promise.all([take(one.QueueUrl, 1), take(other.QueueUrl, 1)]);
    const ReplayName = name('replay');
    await bridge.send(
        new events.StartReplayCommand({
            ReplayName,
            EventSourceArn: archive.ArchiveArn,
            EventStartTime: new Date(Date.now() - 3600e3),
            EventEndTime: new Date(Date.now() + 60e3),
            Destination: { Arn: EventBusArn, FilterArns: [rules[0]] },
        }),
    );
    const [again] = await take(one.QueueUrl, 1);
    assert.equal(JSON.parse(again.Body)['replay-name'], ReplayName);
    let state;
    for (let tries = 0; tries < 50 && state !== 'COMPLETED'; tries++) {
        state = (await bridge.send(new events.DescribeReplayCommand({ ReplayName }))).State;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(state, 'COMPLETED');
    const none = await queues.send(new sqs.ReceiveMessageCommand({ QueueUrl: other.QueueUrl }));
    assert.equal(none.Messages?.length ?? 0, 0);
});

// ---- SQS ----

test('messages with attributes go in and come out, their MD5s checked by the SDK', async () => {
    const { QueueUrl } = await makeQueue('attributes');
    const sent = await queues.send(
        new sqs.SendMessageCommand({
            QueueUrl,
            MessageBody: 'grüße & <tags> "quotes"',
            MessageAttributes: {
                text: { DataType: 'String', StringValue: 'ü' },
                number: { DataType: 'Number', StringValue: '12.5' },
                bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 1, 255]) },
            },
        }),
    );
    assert.ok(sent.MD5OfMessageAttributes);
    const [message] = await take(QueueUrl, 1);
    assert.equal(message.Body, 'grüße & <tags> "quotes"');
    assert.equal(message.MessageAttributes.text.StringValue, 'ü');
    assert.deepEqual([...message.MessageAttributes.bytes.BinaryValue], [0, 1, 255]);
    assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
    assert.equal(message.Attributes.ApproximateReceiveCount, '1');
});

test('batches, visibility and deletes', async () => {
    const { QueueUrl } = await makeQueue('batch');
    const Entries = [...Array(10).keys()].map((i) => ({ Id: `m${i}`, MessageBody: `body ${i}` }));
    const sent = await queues.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries }));
    assert.equal(sent.Successful.length, 10);
    const got = await queues.send(new sqs.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 600 }));
    assert.equal(got.Messages.length, 10);
    const handles = got.Messages.map((m, i) => ({ Id: `m${i}`, ReceiptHandle: m.ReceiptHandle }));
    const seen = await queues.send(
        new sqs.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: handles.map((e) => ({ ...e, VisibilityTimeout: 0 })) }),
    );
    assert.equal(seen.Successful.length, 10);
    assert.equal((await take(QueueUrl, 10)).length, 10);
    await assert.rejects(queues.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries: [] })), sqs.EmptyBatchRequest);
    await assert.rejects(
        queues.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries: [Entries[0], Entries[0]] })),
        sqs.BatchEntryIdsNotDistinct,
    );
});

test('a FIFO queue keeps the order of its groups and drops duplicates', async () => {
    const { QueueUrl } = await makeQueue('fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
    for (const i of [1, 2, 3, 3])
        await queues.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: `${i}`, MessageGroupId: 'g' }));
    assert.deepEqual((await take(QueueUrl, 3)).map((m) => m.Body), ['1', '2', '3']);
});

test('errors of SQS are the classes of the SDK', async () => {
    await assert.rejects(queues.send(new sqs.GetQueueUrlCommand({ QueueName: 'no-such-queue' })), (error) => {
        assert.ok(error instanceof sqs.QueueDoesNotExist);
        assert.equal(error.Code ?? error.name, 'AWS.SimpleQueueService.NonExistentQueue');
        return true;
    });
    const { QueueUrl } = await makeQueue('errors');
    await assert.rejects(queues.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'no handle' })), sqs.ReceiptHandleIsInvalid);
});

test('a dead-letter queue is redriven', async () => {
    const dead = await makeQueue('dead');
    const live = await makeQueue('live', {
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: 1 }),
        VisibilityTimeout: '0',
    });
    await queues.send(new sqs.SendMessageCommand({ QueueUrl: live.QueueUrl, MessageBody: 'poison' }));
    for (let tries = 0; tries < 5; tries++) await queues.send(new sqs.ReceiveMessageCommand({ QueueUrl: live.QueueUrl }));
    const count = await queues.send(
        new sqs.GetQueueAttributesCommand({ QueueUrl: dead.QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    assert.equal(count.Attributes.ApproximateNumberOfMessages, '1');
    const sources = await queues.send(new sqs.ListDeadLetterSourceQueuesCommand({ QueueUrl: dead.QueueUrl }));
    assert.deepEqual(sources.queueUrls, [live.QueueUrl]);
    await queues.send(new sqs.StartMessageMoveTaskCommand({ SourceArn: dead.arn, DestinationArn: live.arn }));
    assert.equal((await take(live.QueueUrl, 1))[0].Body, 'poison');
    const tasks = await queues.send(new sqs.ListMessageMoveTasksCommand({ SourceArn: dead.arn }));
    assert.equal(tasks.Results.length, 1);
});

// ---- SNS ----

test('a topic reaches the queues whose filters let a message pass', async () => {
    const [all, few] = await Promise.all([makeQueue('all'), makeQueue('few')]);
    const { TopicArn } = await topics.send(new sns.CreateTopicCommand({ Name: name('topic') }));
    await topics.send(new sns.SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: all.arn }));
    await topics.send(
        new sns.SubscribeCommand({
            TopicArn,
            Protocol: 'sqs',
            Endpoint: few.arn,
            Attributes: { FilterPolicy: '{"colour": ["red"]}', RawMessageDelivery: 'true' },
        }),
    );
    const colour = (StringValue) => ({ colour: { DataType: 'String', StringValue } });
    await topics.send(new sns.PublishCommand({ TopicArn, Message: 'one', Subject: 's', MessageAttributes: colour('red') }));
    const batch = await topics.send(
        new sns.PublishBatchCommand({ TopicArn, PublishBatchRequestEntries: [{ Id: 'a', Message: 'two', MessageAttributes: colour('blue') }] }),
    );
    assert.equal(batch.Successful.length, 1);
    const bodies = (await take(all.QueueUrl, 2)).map((m) => JSON.parse(m.Body));
    assert.deepEqual(bodies.map((b) => b.Message).sort(), ['one', 'two']);
    assert.equal(bodies[0].TopicArn, TopicArn);
    const [raw] = await take(few.QueueUrl, 1);
    assert.equal(raw.Body, 'one');
    assert.equal(raw.MessageAttributes.colour.StringValue, 'red');
    const listed = await topics.send(new sns.ListSubscriptionsByTopicCommand({ TopicArn }));
    assert.equal(listed.Subscriptions.length, 2);
    await topics.send(new sns.DeleteTopicCommand({ TopicArn }));
    await assert.rejects(topics.send(new sns.PublishCommand({ TopicArn, Message: 'x' })), sns.NotFoundException);
});

// ---- Lambda ----

test('functions are invoked', async () => {
    const done = await functions.send(new lambda.InvokeCommand({ FunctionName: 'upper', Payload: '{"a": "b"}' }));
    assert.equal(done.StatusCode, 200);
    assert.equal(Buffer.from(done.Payload).toString(), '{"A": "B"}');
    const later = await functions.send(new lambda.InvokeCommand({ FunctionName: 'upper', InvocationType: 'Event', Payload: '{}' }));
    assert.equal(later.StatusCode, 202);
    const dry = await functions.send(new lambda.InvokeCommand({ FunctionName: 'upper', InvocationType: 'DryRun' }));
    assert.equal(dry.StatusCode, 204);
    const failed = await functions.send(new lambda.InvokeCommand({ FunctionName: 'broken', Payload: '{}' }));
    assert.equal(failed.FunctionError, 'Unhandled');
    await assert.rejects(functions.send(new lambda.InvokeCommand({ FunctionName: 'none' })), lambda.ResourceNotFoundException);
});

// ---- what belongs to the file ----

test('what weir.yaml declares is shown, used and not changed', async () => {
    const { QueueUrl } = await queues.send(new sqs.GetQueueUrlCommand({ QueueName: 'from-file' }));
    await queues.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: 'welcome' }));
    assert.equal((await take(QueueUrl, 1))[0].Body, 'welcome');
    await assert.rejects(queues.send(new sqs.DeleteQueueCommand({ QueueUrl })), sqs.UnsupportedOperation);
});
