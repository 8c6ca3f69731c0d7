// What the table of routes points to; one file of handlers for each kind of thing.
#pragma once

#include "gateway/call.h"

bool identities_create(struct call *call);
void identities_list(struct call *call);
void identities_get(struct call *call);
bool identities_modify(struct call *call);
bool identities_delete(struct call *call);

void settings_list(struct call *call);
void settings_get(struct call *call);
bool settings_put(struct call *call);
bool settings_delete(struct call *call);

void changes_follow(struct call *call);
void activities_post(struct call *call);

void health_live(struct call *call);
void health_ready(struct call *call);
void metrics_get(struct call *call);
