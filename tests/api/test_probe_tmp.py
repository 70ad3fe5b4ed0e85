import json, pytest, random
from tests.api.conftest import *
from tests.factories import *
from tests.api.asking import *
pytestmark = pytest.mark.django_db

def show(label, resp):
    ei=getattr(resp,'exc_info',None)
    print("###" if resp.status_code>=500 else "", label, resp.status_code, resp.get("Content-Type"), resp.content[:230], ei and repr(ei[1])[:300])

def test_probe(api, anyone, settings):
    settings.OPEN_DESK=True
    api.raise_request_exception=False; anyone.raise_request_exception=False
    book=BookFactory(copies=1); c=book.copies.get().barcode; m=MemberFactory(); loan=LoanFactory(); r=ReservationFactory()
    import sys
    bad={}
    for n in range(850,1010):
        body='{"member_id":1,"on_unavailable":'+"["*n+"]"*n+"}"
        resp=raw(api,"POST","/api/circulation/checkout/",body)
        bad.setdefault(resp.status_code,[]).append(n)
    print({k:(v[0],v[-1],len(v)) for k,v in bad.items()})
    bad={}
    for n in range(850,1010):
        body='{"operations":[{"op":"checkout","on_unavailable":'+"["*n+"]"*n+"}]}"
        resp=raw(api,"POST","/api/circulation/batch/",body)
        bad.setdefault(resp.status_code,[]).append(n)
    print({k:(v[0],v[-1],len(v)) for k,v in bad.items()})
    bad={}
    for n in range(850,1010):
        body='{"a":"\\u0041","member_id":1,"on_unavailable":'+"["*n+"]"*n+"}"
        resp=raw(api,"POST","/api/circulation/checkout/",body)
        bad.setdefault(resp.status_code,[]).append(n)
    print({k:(v[0],v[-1],len(v)) for k,v in bad.items()})
    show("100k", raw(api,"POST","/api/circulation/checkout/","["*100000))
    show("100k obj", raw(api,"POST","/api/circulation/checkout/",'{"a":'*100000))
    for b in ['{"a":1,"a":2}','NaN','{"member_id":NaN}','{"member_id":1e400}','{"member_id":Infinity}','{"member_id":'+"9"*5000+'}','{"x":'+"9"*4300+'}',b'\xff\xfe',b'\xef\xbb\xbf{}',b'"\xed\xa0\x80"','','   ','[]','null','5','"x"','{"a":01}','{\'a\':1}','{"a":1}x','{"member_id":1.0}', '{"member_id":1E2}']:
        show(repr(b)[:40], raw(api,"POST","/api/circulation/checkout/",b))
    for ct in ["","text/plain","application/x-www-form-urlencoded","multipart/form-data","multipart/form-data; boundary=x","application/json; charset=latin-1","application/json; charset=\"","application/json;;;;","application/json; a*=nope''%41","application/json; charset=nope","json","/","application/","*/*","application/json/x",";", "a"*5000, "application/json; "+"x=1;"*2000]:
        try: show("CT "+ct[:40], raw(api,"POST","/api/circulation/checkout/","{}",content_type=ct))
        except Exception as e: print("### CT", ct[:40], repr(e))
    for ac in ["text/html","text/html; a*=nope''%41","*/*","application/json","application/json; indent=4","application/json; indent=x","application/problem+json","text/csv","",";","a","/","application/json;q=x","application/json; indent=999999999999999999999", "x"*5000, ","*5000, "application/json, "*3000]:
        try: show("AC "+ac[:40], api.get("/api/loans/",HTTP_ACCEPT=ac))
        except Exception as e: print("### AC", ac[:40], repr(e))
    for ck in ['sessionid="abcdefghijk\\000lm"','sessionid=\x00abcdefghij','sessionid="\\377\\377aaaaaaaaaaaa"','sessionid='+'a'*5000, 'csrftoken="\\000"', 'messages=x; sessionid=']:
        try: show("CK "+ck[:40], anyone.get("/api/loans/",HTTP_COOKIE=ck))
        except Exception as e: print("### CK", ck[:40], repr(e))
    for p in ["/api/books/%00/","/api/books/%FF/","/api/books/1%2F2/","/api/books/"+"9"*30+"/","/api/books/"+"9"*18+"/","/api/books/-1/","/api/books/1.5/","/api/books/%D9%A1/","/api/copies/%00/","/api/copies/a%0A/","/api/copies/"+"a"*65+"/","/api/copies/%C3%A9/","/api/%ED%A0%80/","/api/books/1;x=1/","/api//books/","/api/books//","/api/%%%/","/api","/api/","/nothing","/static/%00","/api/"+"a/"*3000]:
        for meth in ["get","post","delete"]:
            try: 
                resp=getattr(api,meth)(p)
                if meth=="get" or resp.status_code not in (404,): show(meth+" "+p[:60], resp)
            except Exception as e: print("### PATH", meth,p[:60], repr(e))
    for q in ["limit=0","limit=-1","limit=201","limit=1000000000000","limit=%FF","limit=%00","limit=٣","limit=","limit=1&limit=2","ordering=","ordering=--id","ordering=pk","ordering=title;drop","ordering=-","count=1","count=yes","cursor=","cursor=x","cursor=%00","cursor="+"A"*5000,"cursor=bnVsbA","cursor=e30","member=0","member=-1","member=9223372036854775808","member="+"9"*400,"member="+"9"*1001,"member=1.0","member=x","member=%00","status=zzz","status=%ED%A0%80","book=99999999999999999999999", "&".join("a=1" for _ in range(1100)),"%=%&&&==","member=%D9%A3", "member=1e3","member=1_0"]:
        for path in ["/api/loans/","/api/reservations/","/api/circulation/events/"]:
            try: resp=api.get(path+"?"+q); show("Q "+path+q[:50],resp) if path=="/api/loans/" or resp.status_code>=500 else None
            except Exception as e: print("### Q", path, q[:50], repr(e))
    for q in ["search=","search=%00","search=!!!","search=_","search=%27","search=a%26b","search=%3A*","search=%5C","search="+"a"*201,"search=%F0%9F%98%80","search=%CC%81","search=%C2%B2","search=ªº","year_min=x","year_min=99999","year_min=-9999","available=maybe","available=","available=1","facets=x","facets=true","branch=%00","branch=zzz","isbn=1","isbn=9780141439549","author=%25","publisher=%","category=%5C%00","language="+"a"*36,"search=%E2%80%A8", "search="+"%F0%9F%98%80"*200, "search=a"*900,"search="+"a%20"*100, "search=ii%C4%B0I", "search=%DF%BF", "search=%EF%BF%BF", "search=%E0%A4%BE", "search=%D9%8B", "search=%F0%9D%9F%98x"]:
        try: show("B "+q[:50], api.get("/api/books/?"+q))
        except Exception as e: print("### B", q[:50], repr(e))
    for q in ["since=1","since=0001-01-01","since=2999-12-31","until=2999-12-31T23:59:59-23:59","since=1900-01-01T00:00:00%2B23:59","since=2026-02-30","copy=%00","copy=x","kind=zzz","kind=checkout","since=","until=2026-W01-1","since=2026-01-01T00:00:00+01:00", "since=2026-W01-1"]:
        try: show("E "+q[:50], api.get("/api/circulation/events/?"+q))
        except Exception as e: print("### E", q[:50], repr(e))
