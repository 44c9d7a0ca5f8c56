/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages for people share: head with the style, numbers, provenance, foot. */
#include "io/report_html.h"

#include <math.h>
#include <string.h>

static const char style[] =
    "body{font:16px/1.5 system-ui,\"Segoe UI\",\"DejaVu Sans\",sans-serif;color:#222;"
    "background:#fff;margin:0 auto;max-width:1120px;padding:0 16px 48px}\n"
    "h1{font-size:1.6em;line-height:1.2;margin:28px 0 4px}\n"
    "h2{font-size:1.2em;margin:36px 0 8px;padding-top:10px;border-top:1px solid #ccc}\n"
    "h3{font-size:1em;margin:18px 0 4px}\n"
    "p{max-width:72ch;margin:8px 0}\n"
    ".warn{border-left:5px solid #d9542b;background:#fdf1ec;padding:8px 12px}\n"
    ".note{color:#555;font-size:.9em}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}\n"
    ".card{flex:1 1 200px;border:1px solid #ccc;border-radius:6px;padding:10px 14px}\n"
    ".card b{display:block;font-size:1.5em;line-height:1.25}\n"
    ".card span{color:#555;font-size:.87em}\n"
    ".wide{overflow-x:auto;margin:10px 0}\n"
    "table{border-collapse:collapse;font-size:.87em;font-variant-numeric:tabular-nums;"
    "min-width:100%}\n"
    "th,td{padding:5px 10px;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid #ddd}\n"
    "th{font-weight:600;border-bottom:1px solid #888;vertical-align:bottom;"
    "white-space:normal}\n"
    "th:first-child,td:first-child,td.l,th.l{text-align:left}\n"
    "td i{font-style:normal;color:#666;display:block;font-size:.9em}\n"
    "tr.base td{color:#666}\n"
    "td.h{white-space:normal;overflow-wrap:anywhere}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));"
    "gap:12px}\n"
    "figure{margin:0}\n"
    "figure.wideplot{max-width:470px}\n"
    "svg{width:100%;height:auto;display:block}\n"
    ".pic img{max-width:100%;height:auto;display:block}\n"
    ".pic{break-inside:avoid;margin:14px 0}\n"
    "figcaption{font-size:.87em;color:#333;margin-top:4px}\n"
    "svg text{font-size:12px;fill:#333}\n"
    "svg .t{font-weight:600;font-size:13px}\n"
    "svg .m{text-anchor:middle}\n"
    "svg .e{text-anchor:end}\n"
    "svg .ax{stroke:#666;fill:none}\n"
    "svg .gr{stroke:#e2e2e2;fill:none}\n"
    "svg .li{fill:none;stroke-width:2}\n"
    "svg .ci{stroke:#111;fill:none;stroke-width:1.5}\n"
    "svg .op{fill:#fff;stroke:#111;stroke-width:2}\n"
    "svg .th{stroke:#111;stroke-dasharray:5 3;fill:none;stroke-width:1.5}\n"
    "svg .ba{fill-opacity:.35}\n"
    "svg .vi{stroke-width:3;fill:none;stroke-opacity:.45}\n"
    ".key{display:inline-block;width:.8em;height:.8em;border-radius:2px;"
    "margin:0 .35em 0 .9em}\n"
    "@page{size:A4;margin:14mm}\n"
    "@media print{body{font-size:10pt;padding:0;max-width:none}\n"
    ".wide{overflow:visible}\n"
    "table{font-size:7.6pt}\n"
    "th,td{padding:3px 5px}\n"
    "h2,h3,h2+p,h3+p{break-after:avoid}\n"
    "figure,.card,tr,thead{break-inside:avoid}\n" /* a heading repeats on the next page */
    ".grid{grid-template-columns:repeat(2,1fr)}\n"
    ".pic img{max-height:46mm;width:auto}}\n";

void drae__report_percent(drae__text_file *f, double share) {
    if (isnan(share)) {
        drae__text_put(f, "&ndash;");
    } else {
        drae__text_print(f, "%.2f", 100.0 * share);
    }
}

void drae__report_limits(drae__text_file *f, const drae__interval *interval) {
    drae__text_put(f, "[");
    drae__report_percent(f, interval->low);
    drae__text_put(f, ", ");
    drae__report_percent(f, interval->high);
    drae__text_put(f, "]");
}

void drae__report_interval(drae__text_file *f, const drae__interval *interval) {
    drae__report_percent(f, interval->value);
    if (!isnan(interval->value)) {
        drae__text_put(f, " <i>");
        drae__report_limits(f, interval);
        drae__text_put(f, "</i>");
    }
}

void drae__page_facts(drae__text_file *f, size_t n, const drae__report_fact *facts) {
    const char *group = "";
    drae__text_put(f, "<h2>Where this comes from</h2>\n<div class=\"wide\"><table>\n");
    for (size_t i = 0; i < n; i++) {
        const drae__report_fact *fact = &facts[i];
        drae__text_put(f, "<tr><td>");
        if (strcmp(group, fact->group) != 0) {
            group = fact->group;
            drae__text_html(f, group);
        }
        drae__text_put(f, "</td><td class=\"l\">");
        drae__text_html(f, fact->name);
        drae__text_put(f, "</td><td class=\"l h\">");
        drae__text_html(f, fact->text);
        drae__text_put(f, "</td></tr>\n");
    }
    drae__text_put(f, "</table></div>\n");
}

void drae__page_begin(drae__text_file *f, const char *title) {
    drae__text_print(f,
                     "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
                     "name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                     "<title>%s</title><style>\n",
                     title);
    drae__text_put(f, style);
    drae__text_put(f, "</style></head><body>\n");
}

void drae__page_end(drae__text_file *f) {
    drae__text_put(f, "</body></html>\n");
}
