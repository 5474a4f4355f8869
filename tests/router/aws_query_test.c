/* SPDX-License-Identifier: Apache-2.0 */
/* The query protocol's form as JSON, and JSON as its XML: by the tables of the two services, and a table of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "matcher/json.h"
#include "router/api/aws.h"

static void check_form(const struct aws_service *service, const char *operation, const char *form, const char *wanted)
{
    struct buf json = BUF_INIT;
    const char *fault = aws_form_read(&json, str_from(form), service->wire, operation);

    assert_string_equal(fault ? fault : buf_cstr(&json), wanted);
    if (!fault)
        assert_true(json_check(buf_view(&json), NULL, NULL));
    buf_fini(&json);
}

static void check_xml(const struct aws_service *service, const char *operation, const char *json, const char *wanted)
{
    struct buf xml = BUF_INIT;

    aws_xml_write(&xml, str_from(json), service->wire, operation);
    assert_string_equal(buf_cstr(&xml), wanted);
    buf_fini(&xml);
}

static void test_texts_are_decoded(void **state)
{
    check_form(&aws_sqs, "SendMessage", "Action=SendMessage&MessageBody=a+b%26%22%C3%A9&Empty=&Bare&&=x",
               "{\"Action\":\"SendMessage\",\"Bare\":\"\",\"Empty\":\"\",\"MessageBody\":\"a b&\\\"\xC3\xA9\"}");
    check_form(&aws_sqs, "SendMessage", "", "{}");
    check_form(&aws_sqs, "SendMessage", "a%2Eb=1", "{\"a\":{\"b\":\"1\"}}");
    check_form(&aws_sqs, "SendMessage", "a=%", "{\"a\":\"%\"}");
}

static void test_lists_and_maps_of_sqs(void **state)
{
    check_form(&aws_sqs, "GetQueueAttributes", "AttributeName.10=c&AttributeName.1=a&AttributeName.2=b",
               "{\"AttributeNames\":[\"a\",\"b\",\"c\"]}");
    check_form(&aws_sqs, "GetQueueAttributes", "AttributeName=All", "{\"AttributeNames\":[\"All\"]}");
    check_form(&aws_sqs, "GetQueueAttributes", "AttributeName=", "{\"AttributeNames\":[]}");
    check_form(&aws_sqs, "CreateQueue", "Tag.1.Key=k&Tag.1.Value=v&Attribute.2.Name=n&Attribute.2.Value=",
               "{\"Attributes\":{\"n\":\"\"},\"tags\":{\"k\":\"v\"}}");
    check_form(&aws_sqs, "TagQueue", "Tags.1.Value=v&Tags.1.Key=k", "{\"Tags\":{\"k\":\"v\"}}");
    check_form(
        &aws_sqs, "SendMessageBatch",
        "SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.1.Id=a&"
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&"
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=1&"
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=Number",
        "{\"Entries\":[{\"Id\":\"a\",\"MessageAttributes\":{\"n\":{\"DataType\":\"Number\",\"StringValue\":\"1\"}}},"
        "{\"Id\":\"b\"}]}");
    check_form(&aws_sqs, "DeleteMessageBatch", "DeleteMessageBatchRequestEntry.1.Id=a",
               "{\"Entries\":[{\"Id\":\"a\"}]}");
}

static void test_lists_and_maps_of_sns(void **state)
{
    check_form(&aws_sns, "TagResource", "Tags.member.1.Key=k&Tags.member.1.Value=v",
               "{\"Tags\":[{\"Key\":\"k\",\"Value\":\"v\"}]}");
    check_form(&aws_sns, "Subscribe", "Attributes.entry.1.key=k&Attributes.entry.1.value=v",
               "{\"Attributes\":{\"k\":\"v\"}}");
    check_form(&aws_sns, "Publish", "MessageAttributes.entry.1.Name=k&MessageAttributes.entry.1.Value.DataType=String",
               "{\"MessageAttributes\":{\"k\":{\"DataType\":\"String\"}}}");
    check_form(&aws_sns, "GetSMSAttributes", "attributes.member.1=a", "{\"attributes\":[\"a\"]}");
    check_form(&aws_sns, "SetSMSAttributes", "attributes.entry.1.key=a&attributes.entry.1.value=b",
               "{\"attributes\":{\"a\":\"b\"}}");
}

static void test_bad_forms_are_refused(void **state)
{
    struct buf deep = BUF_INIT, many = BUF_INIT, name = BUF_INIT;

    check_form(&aws_sqs, "X", "a=1&a=2", "a parameter is given twice, or has a value and parts");
    check_form(&aws_sqs, "X", "a=1&a.b=2", "a parameter is given twice, or has a value and parts");
    check_form(&aws_sqs, "X", "a=%FF", "the value of a parameter is not UTF-8");
    check_form(&aws_sqs, "X", "TagKey.x=1", "the elements of a list have no number");
    check_form(&aws_sqs, "X", "Tag.x=1", "the entries of a map have no number");
    check_form(&aws_sqs, "X", "Tag.1=1", "the entries of a map have no number");
    check_form(&aws_sqs, "X", "Tag=1", "a map is given as a text");
    check_form(&aws_sqs, "X", "Tag.1.Key=1", "an entry of a map lacks its name or its value");
    check_form(&aws_sqs, "X", "Tag.1.Key.x=1&Tag.1.Value=1", "an entry of a map lacks its name or its value");
    check_form(&aws_sns, "X", "TagKeys.1=1", "the elements of a list or map are not named as the service does");
    check_form(&aws_sns, "X", "TagKeys.member=1", "the elements of a list or map are not named as the service does");
    for (int i = 0; i <= AWS_FORM_DEPTH_MAX; i++)
        buf_text(&deep, "a.");
    check_form(&aws_sqs, "X", buf_cstr(&deep), "the name of a parameter has more than 16 dots");
    for (int i = 0; i <= AWS_FORM_PARAMETERS_MAX; i++)
        buf_text(&many, "a&");
    check_form(&aws_sqs, "X", buf_cstr(&many), "there are more than 10000 parameters");
    for (int i = 0; i <= AWS_FORM_NAME_MAX; i++)
        buf_text(&name, "n");
    check_form(&aws_sqs, "X", buf_cstr(&name), "the name of a parameter is longer than 512 bytes");
    buf_fini(&deep);
    buf_fini(&many);
    buf_fini(&name);
}

static void test_single_values(void **state)
{
    struct buf value = BUF_INIT;

    assert_true(aws_form_value(STR("NotAction=1&Action=a%20b&Action=c"), "Action", &value));
    assert_string_equal(buf_cstr(&value), "a b");
    assert_false(aws_form_value(STR("Actions=1"), "Action", &value));
    buf_fini(&value);
}

static void test_xml_of_sqs(void **state)
{
    check_xml(
        &aws_sqs, "ReceiveMessage",
        "{\"Messages\":[{\"Body\":\"<a href=\\\"x\\\">\",\"Attributes\":{\"SentTimestamp\":\"1\"}},{\"Body\":\"b\"}]}",
        "<Message><Body>&lt;a href=&quot;x&quot;&gt;</Body><Attribute><Name>SentTimestamp</Name><Value>1</Value>"
        "</Attribute></Message><Message><Body>b</Body></Message>");
    check_xml(&aws_sqs, "ReceiveMessage", "{\"Messages\":[]}", "");
    check_xml(&aws_sqs, "SendMessageBatch",
              "{\"Successful\":[{\"Id\":\"a\"}],\"Failed\":[{\"Id\":\"b\",\"SenderFault\":true}]}",
              "<SendMessageBatchResultEntry><Id>a</Id></SendMessageBatchResultEntry>"
              "<BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault></BatchResultErrorEntry>");
    check_xml(&aws_sqs, "ListQueues", "{\"QueueUrls\":[\"http://a/1\"],\"NextToken\":null}",
              "<QueueUrl>http://a/1</QueueUrl>");
    check_xml(&aws_sqs, "GetQueueUrl", "{\"QueueUrl\":\"http://a/1\"}", "<QueueUrl>http://a/1</QueueUrl>");
}

static void test_xml_of_sns(void **state)
{
    check_xml(&aws_sns, "ListTopics", "{\"Topics\":[{\"TopicArn\":\"a\"}],\"NextToken\":\"t\"}",
              "<Topics><member><TopicArn>a</TopicArn></member></Topics><NextToken>t</NextToken>");
    check_xml(
        &aws_sns, "GetTopicAttributes", "{\"Attributes\":{\"Owner&\":\"1\",\"x\":\"\"}}",
        "<Attributes><entry><key>Owner&amp;</key><value>1</value></entry><entry><key>x</key><value></value></entry>"
        "</Attributes>");
    check_xml(&aws_sns, "X", "{\"Some\":[1,{\"a\":false}]}",
              "<Some><member>1</member><member><a>false</a></member></Some>");
}

static void test_what_xml_cannot_hold(void **state)
{
    check_xml(&aws_sqs, "X", "{\"a\":\"\\u0000\\t\\r\\n\\u0001\\uD800\\uFFFF\\u20AC\"}",
              "<a>\xEF\xBF\xBD\t&#xD;\n\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xE2\x82\xAC</a>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_decoded),
        cmocka_unit_test(test_lists_and_maps_of_sqs),
        cmocka_unit_test(test_lists_and_maps_of_sns),
        cmocka_unit_test(test_bad_forms_are_refused),
        cmocka_unit_test(test_single_values),
        cmocka_unit_test(test_xml_of_sqs),
        cmocka_unit_test(test_xml_of_sns),
        cmocka_unit_test(test_what_xml_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
