import{m as r}from"./index-C6yHC3x1.js";function s(){const t=r("");return{problem:t,attempt:async e=>{t.value="";try{await e()}catch(a){t.value=a.message}}}}export{s as u};
