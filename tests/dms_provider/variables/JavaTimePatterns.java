/*
 * Prints what Java's DateTimeFormatter makes of time patterns: zone, time, locale, pattern, text, a tab between two.
 * The letters of DMS are those of Java, so this is an oracle of test_pattern.py. With a JDK of 17 or newer:
 *
 *     java JavaTimePatterns.java > java_time_patterns.tsv
 *
 * Where DMS's documentation prints something else than Java's locale data, the pattern given to Java differs: DMS's
 * E in Chinese is EEEE, its MMM is MMMM, its z is 'UTC'xxx. Weeks begin on Monday.
 */

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Random;

class JavaTimePatterns {
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static final Random RANDOM = new Random(19700101);
    static final String NUMBERS =
        "G;y;yy;yyy;yyyy;Y;YY;YYYY;M;MM;w;ww;W;D;DD;DDD;d;dd;e;ee;a;H;HH;k;kk;K;KK;h;hh;m;mm;s;ss;";

    static void print(String zone, LocalDateTime time, String locale, String pattern, String java, LocalDateTime moved) {
        String tag = locale.equals("zh") ? "zh-CN-u-fw-mon" : "en-US-u-fw-mon";
        DateTimeFormatter formatter = DateTimeFormatter.ofPattern(java, Locale.forLanguageTag(tag));
        String text = formatter.format(moved.atZone(ZoneId.of(zone)));
        OUT.println(String.join("\t", zone, time.toString(), locale, pattern, text));
    }

    static LocalDateTime someTime() {
        return LocalDateTime.of(1971 + RANDOM.nextInt(130), 1, 1, 0, 0)
            .plusSeconds(RANDOM.nextInt(366 * 24 * 3600));
    }

    public static void main(String[] arguments) {
        for (int year = 2019; year <= 2027; year++) {
            for (int day = -7; day <= 8; day++) {
                LocalDateTime time = LocalDate.of(year, 1, 1).plusDays(day).atTime(12, 0);
                String pattern = "yyyy-MM-dd e Y-ww W DDD";
                print("Asia/Shanghai", time, "zh", pattern, pattern, time);
            }
        }
        for (String zone : List.of("Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Europe/London")) {
            for (int i = 0; i < 12; i++) {
                LocalDateTime time = someTime();
                print(zone, time, "zh", NUMBERS + "E;EEEE;MMM;MMMM;z", NUMBERS + "EEEE;EEEE;MMMM;MMMM;'UTC'xxx", time);
                print(zone, time, "en", NUMBERS + "E;EEEE;MMM;MMMM;z", NUMBERS + "E;EEEE;MMM;MMMM;'UTC'xxx", time);
            }
        }
        for (int hour = 0; hour < 24; hour++) {
            LocalDateTime time = LocalDateTime.of(2021, 8, 11, hour, 59, 59);
            print("Asia/Shanghai", time, "zh", "ahh H kk KK", "ahh H kk KK", time);
        }
        for (String pattern : List.of("yyyyMM01", "yyyy年M月d日", "'o''clock' H", "''yy''", "''''", "'''d'", "'T'HH:mm", "yyyy/MM/dd, HH.mm")) {
            LocalDateTime time = LocalDateTime.of(2021, 8, 11, 11, 5, 21);
            print("Asia/Shanghai", time, "zh", pattern, pattern, time);
        }
        for (int i = 0; i < 120; i++) {
            LocalDateTime time = i % 2 == 0 ? someTime() : someTime().withDayOfMonth(1).minusDays(1);
            int[] amount = new int[6];
            for (int unit = 0; unit < 6; unit++) {
                amount[unit] = RANDOM.nextBoolean() ? 0 : RANDOM.nextInt(81) - 40;
            }
            LocalDateTime moved = time.plusYears(amount[0]).plusMonths(amount[1]).plusWeeks(amount[2])
                .plusDays(amount[3]).plusHours(amount[4]).plusMinutes(amount[5]);
            StringBuilder offsets = new StringBuilder();
            int first = RANDOM.nextInt(6);
            for (int unit = 0; unit < 6; unit++) {
                int at = (first + unit * 5) % 6;
                offsets.append(String.format("%+d%c", amount[at], "yMwdhm".charAt(at)));
            }
            String format = "yyyy-MM-dd HH:mm:ss";
            print("Asia/Shanghai", time, "zh", format + "|" + offsets, format, moved);
        }
    }
}
