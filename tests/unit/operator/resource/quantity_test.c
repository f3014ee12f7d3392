/* Sizes of volumes, as Kubernetes lets them be written. */
#include "base/attr.h"
#include "resource/quantity.h"
#include "unit/test.h"

static const struct {
    const char *text;
    int64_t bytes;
} rows[] = {
    { "12Gi", 12LL << 30 },
    { "1.5Gi", 1536LL << 20 },
    { "0.5Ti", 512LL << 30 },
    { "1.1G", 1100000000 },
    { "2e9", 2000000000 },
    { "12E2", 1200 },
    { "12e+2", 1200 },
    { "1234e-2", 13 },
    { "1e-", -1 },
    { "1E", 1000000000000000000 },
    { "1Pi", 1LL << 50 },
    { "20000M", 20000000000 },
    { "1500m", 2 },
    { "10.25Ki", 10496 },
    { "1.", 1 },
    { ".5Ki", 512 },
    { "0", 0 },
    { "", -1 },
    { "Gi", -1 },
    { ".", -1 },
    { "1.2.3", -1 },
    { "12GiB", -1 },
    { "-1Gi", -1 },
    { "1e99", -1 },
    { "1ex", -1 },
    { "9Ei", -1 },
    { "1234567890123456789", -1 },
};

TEST(quantities_are_read_as_kubernetes_reads_them)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (quantity_bytes(rows[i].text) != rows[i].bytes) {
            test_fail(__FILE__, __LINE__, "%s: %lld", rows[i].text,
                    (long long)quantity_bytes(rows[i].text));
        }
        test_pass();
    }
}

TEST(quantities_are_counted_in_thousandths)
{
    ASSERT_EQ(quantity_milli("500m"), 500);
    ASSERT_EQ(quantity_milli("1.5"), 1500);
    ASSERT_EQ(quantity_milli("100u"), -1);
    ASSERT_EQ(quantity_milli("2Gi"), (2LL << 30) * 1000);
    ASSERT_EQ(quantity_milli("9E"), -1);
}
